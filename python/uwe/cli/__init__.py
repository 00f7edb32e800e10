"""The command line `uwe`: verbs, options and tables around the library; it decides nothing."""

from uwe.cli.app import main

__all__ = ["main"]
