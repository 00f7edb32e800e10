"""Texts that a model cut: gathered over everything one call encodes, warned of once."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Literal

Kind = Literal["texts", "queries", "targets"]

_REMEDIES: dict[Kind, tuple[str, str]] = {
    "texts": ("pass the parts that uwe.split_sentences(text) gives", "take a part of it"),
    "queries": (
        "pass a whole advert to uwe.extract, others to uwe.split_sentences, and rank the parts",
        "pass a whole advert to  uwe extract, or rank its sentences, one a line, by  --input",
    ),
    "targets": (
        "shorten it, or pass its parts as aliases",
        "shorten it, or put its parts into the column of aliases",
    ),
}
"""What to do about a text that was cut: in Python, and on the command line."""

_gathering: ContextVar[Truncations | None] = ContextVar("uwe_truncations", default=None)


class TruncationWarning(UserWarning):
    """A text has more tokens than the model reads, and was cut. Remedy: `uwe.split_sentences`.

    Attributes:
        on_command_line: The message for someone at the command line.
    """

    on_command_line = ""


class Truncations:
    """What was cut among the texts of one call, which may encode them block by block.

    `of` says what the texts are, and so what to do about a long one.
    """

    def __init__(self, of: Kind = "texts") -> None:
        self._of = of
        self.texts = 0  # how many have been encoded: the number of the next one
        self.cut: list[int] = []  # the numbers of those that were cut, until the warning
        self._first = ""
        self._model = ""
        self._warned = False

    def add(self, texts: Sequence[str], cut: Sequence[int], *, name: str, max_tokens: int) -> None:
        """Count the next texts, of which those with the indices `cut` were cut by a model."""
        if cut and not self.cut:
            text = texts[cut[0]]
            shown = repr(text if len(text) <= 40 else text[:37] + "...")
            self._first = f"text {self.texts + cut[0]} ({shown})"
            self._model = f"the {max_tokens} tokens that '{name}' reads"
        if not self._warned:  # a stream has no end
            self.cut += [self.texts + i for i in cut]
        self.texts += len(texts)

    def warn(self) -> None:
        """Warn of what has been cut so far, at most once, where the code that called uwe stands."""
        if self._warned or not self.cut:
            return
        self._warned = True
        more = f" and {len(self.cut) - 1} more" if len(self.cut) > 1 else ""
        fact = f"{self._first}{more}: longer than {self._model}, so only the beginning counts"
        in_python, on_command_line = _REMEDIES[self._of]
        warning = TruncationWarning(f"{fact}: {in_python}")
        warning.on_command_line = f"{fact}: {on_command_line}"
        warn_caller(warning)


def warn_caller(warning: Warning) -> None:
    """Warn where the code that called uwe stands."""
    frame = _caller()
    # The registry of a module keeps every text that was ever warned with: a server's would grow
    # with each long query.
    warnings.warn_explicit(
        warning,
        type(warning),
        filename=frame.f_code.co_filename if frame else "uwe",
        lineno=frame.f_lineno if frame else 1,
        module=frame.f_globals.get("__name__") if frame else None,
        registry={},
    )


@contextmanager
def gathered(truncations: Truncations, *, apart: bool = False) -> Iterator[Truncations]:
    """Gather what is cut inside of the block: in `truncations`, or in what an outer block uses.

    With `apart` an outer block hears nothing of it.
    """
    outer = None if apart else _gathering.get()
    if outer is not None:
        yield outer
        return
    token = _gathering.set(truncations)
    try:
        yield truncations
    finally:
        _gathering.reset(token)


def _caller() -> FrameType | None:
    """The innermost frame outside of the package."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "uwe":
            break
        frame = frame.f_back
    return frame
