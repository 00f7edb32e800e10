"""Figures as files: one style, and the same bytes for the same figure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uwe.errors import InputError, MissingExtraError
from uwe.files.atomic import replaced_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FORMATS = (".svg", ".png", ".pdf")

_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "uwe",  # the same figure, the same bytes
    "text.parse_math": False,  # a name may hold dollar signs
    "savefig.dpi": 120,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.fontsize": 7,
}
_UNDATED: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None}, ".png": {}, ".pdf": {"CreationDate": None},
}  # fmt: skip
_DESCRIPTION = {".svg": "Description", ".png": "Description", ".pdf": "Subject"}


def check_drawing(path: str | Path) -> None:
    """Refuse early what could not be drawn in the end."""
    if Path(path).suffix not in FORMATS:
        raise InputError(f"{path}: expected a file ending with {', '.join(FORMATS)}: rename it")
    if not find_spec("matplotlib"):
        raise MissingExtraError("train", "a plot")


@contextmanager
def drawing(
    path: str | Path, size: tuple[float, float], *, title: str, description: str = ""
) -> Iterator[Figure]:
    """A figure to draw on, which is a file when the block ends well.

    Its folder is made; a file that is there is replaced, whole or not at all. `path` ends with one
    of `FORMATS`; `size` is the width and height in inches. For those who do not see the figure, the
    file says what it is by `title`, and the numbers in it by `description`.
    """
    path = Path(path)
    check_drawing(path)
    from matplotlib import rc_context, rcdefaults, rcParams
    from matplotlib.figure import Figure

    with rc_context():
        rcdefaults()  # whatever a user's own settings say
        rcParams.update(_SETTINGS)
        # Without pyplot, which would keep it: each format brings its own canvas when it is saved.
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        said = {"Title": title, **({_DESCRIPTION[path.suffix]: description} if description else {})}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(path) as file:
            figure.savefig(file, format=path.suffix[1:], metadata={**said, **_UNDATED[path.suffix]})


def plain_ticks(axes: Axes) -> None:
    """Numbers as people write them: a power of ten would be a formula that nothing typesets."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.10g}")
        axis.set_minor_formatter(lambda *_: "")
