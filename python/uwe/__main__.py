"""`python -m uwe` is `uwe`."""

from uwe.cli import main

if __name__ == "__main__":
    main()
