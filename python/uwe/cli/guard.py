"""Around every command: errors in one line, exit codes, broken pipes, Ctrl-C, warnings."""

from __future__ import annotations

import errno
import functools
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TextIO

import typer
from typer.core import TyperCommand, TyperOption

from uwe.cli.output import one_line, safe
from uwe.cli.signals import INTERRUPTED, hear, leave
from uwe.errors import UweError

P = ParamSpec("P")

FAILED, BROKEN, PIPE_CLOSED = 1, 70, 141
EXIT_CODES = (
    "Exit codes: 0 done; 1 an error of input, data, model, cache or file, told in one line; "
    "2 wrong usage; 70 a bug in uwe (UWE_DEBUG=1 shows where); 130 interrupted; 141 whoever read "
    "the output stopped reading."
)


class Commands(typer.Typer):
    """Commands by their names, each of them guarded."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(no_args_is_help=True, rich_markup_mode=None, **settings)

    def add(self, name: str, command: Callable[..., None]) -> None:
        """Add a command."""
        self.command(name, cls=_Once)(guarded(command))


class _Once(TyperCommand):
    """A command that says so where an option of one value comes twice: the last one counts.

    An alias of a shell may have given the first.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, given = self.make_parser(ctx).parse_args(args=list(args))
        for option in dict.fromkeys(given):
            if not isinstance(option, TyperOption) or option.multiple or option.is_flag:
                continue
            if given.count(option) > 1 and not ctx.resilient_parsing:
                say(f"warning: {option.opts[0]} comes more than once: the last one counts")
        return super().parse_args(ctx, args)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """`command`, ending the process with the documented exit code in place of a traceback."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with ending():
                hear()
                _show_messages()
                command(*args, **kwargs)
        finally:
            leave()

    # The lines of an example stand as they are: this character keeps typer from filling them.
    run.__doc__ = re.sub(
        r"^( *)(Examples?:)$", "\\1\b\n\\1\\2", command.__doc__ or "", flags=re.MULTILINE
    )
    return run


@contextmanager
def ending() -> Iterator[None]:
    """What the block prints is written; an error ends the process with its exit code."""
    try:
        yield
        sys.stdout.flush()
    except (typer.BadParameter, typer.Exit):
        # typer shows the usage and ends with its own code, 2 or what was asked for.
        raise
    except BrokenPipeError:
        _discard_output()
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        leave()
        _discard_output()
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # typer has another code for it
            sys.exit(PIPE_CLOSED)
        raise
    except (UweError, OSError, MemoryError) as error:
        _fail(_text(error), FAILED)
    except Exception as error:
        if os.environ.get("UWE_DEBUG"):
            raise
        _fail(
            f"unexpected {type(error).__name__}: {error}: please report this; UWE_DEBUG=1 shows "
            "where it happened",
            BROKEN,
        )


def say(message: str) -> None:
    """One line to standard error."""
    sys.stderr.write(f"uwe: {safe(one_line(message))}\n")
    sys.stderr.flush()


def _fail(message: str, code: int) -> None:
    try:
        # What was found before the error is of use, and belongs before the message.
        sys.stdout.flush()
    except OSError:
        _discard_output()
    say(f"error: {message}")
    sys.exit(code)


def _text(error: BaseException) -> str:
    if isinstance(error, UweError):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory is full: take less at a time, or a machine with more of it"
    if isinstance(error, OSError) and error.strerror:
        names = (error.filename, error.filename2)
        where = [os.fsdecode(name) for name in names if isinstance(name, str | bytes | os.PathLike)]
        what = error.strerror.partition(" (os error")[0]
        remedy = _REMEDIES.get(error.errno or 0, "see whether the path is right, and try again")
        return ": ".join([" -> ".join(where), what, remedy] if where else [what, remedy])
    return str(error) or type(error).__name__


_REMEDIES = {
    number: remedy
    for numbers, remedy in (
        ("ENOENT", "correct the path"),
        ("ENOTDIR", "a part of the path is no folder: correct it"),
        ("EISDIR", "expected a file, found a folder: name the file in it"),
        ("EEXIST", "name another, or remove it"),
        ("ENOTEMPTY", "name another, or empty it"),
        ("EACCES EPERM", "name another place, or have its owner give you the permission"),
        ("EROFS", "nothing can be written there: name another place"),
        ("ENOSPC EDQUOT", "make room on the disk, or name a place on another one"),
        ("EFBIG", "files may not grow so large: raise the limit (ulimit -f), or name another disk"),
        ("ENAMETOOLONG", "shorten the name"),
        ("ELOOP", "its links lead in a circle: correct them"),
        ("EMFILE ENFILE", "too many files are open: raise the limit (ulimit -n), or close some"),
        ("ENOMEM", "memory is full: take less at a time, or a machine with more of it"),
        ("EBUSY ETXTBSY", "something else uses it: wait for that, or end it"),
        ("EIO ESTALE", "the disk fails, or a connection to it: see that it is well, and try again"),
        ("EXDEV", "name a place on the same disk"),
        (
            "ECONNREFUSED ECONNRESET ETIMEDOUT EHOSTUNREACH ENETUNREACH",
            "see whether the network is there, and try again",
        ),
    )
    for number in (getattr(errno, name, 0) for name in numbers.split())  # 0: Windows lacks it
}
"""What to do about an error of the system, by its number."""


def _discard_output() -> None:
    """Send what is still buffered nowhere, so that the interpreter's exit does not complain."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        # Standard output is no file, as under a test runner: nothing will complain.
        return


def _show_messages() -> None:
    """Warnings in one line, one of a kind; what the library logs, on standard error."""
    shown: set[type[Warning]] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del filename, lineno, file, line
        if category not in shown:
            shown.add(category)
            say(f"warning: {getattr(message, 'on_command_line', '') or message}")

    warnings.simplefilter("default")
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.showwarning = show
    log = logging.getLogger("uwe")
    if not log.handlers:
        log.addHandler(_Speaker())
        log.setLevel(logging.INFO)


class _Speaker(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(record.getMessage())
