"""The command line `uwe`: verbs, options and tables around the library; it decides nothing."""

from __future__ import annotations

from uwe.cli.signals import arm

__all__ = ["main"]


def main() -> None:
    """Run the command that the process was started with; never returns."""
    arm()
    # After that: it imports what takes time.
    from uwe.cli.app import main as run

    run()
