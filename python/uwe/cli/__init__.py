"""The command line `uwe`: verbs, options and tables around the library; it decides nothing."""

from __future__ import annotations

import sys

from uwe.cli.signals import arm


def main() -> None:
    """Run the command that the process was started with; never returns."""
    arm()
    # After that: it imports what takes time.
    try:
        from uwe.cli.app import main as run
    except ImportError as error:
        # A package that every command needs is missing or damaged.
        from uwe.installation import examine, report

        lines = [*report(examine()), f"uwe: error: no command can start: {error}"]
        sys.stderr.write("\n".join(lines) + "\n")
        sys.exit(1)
    run()
