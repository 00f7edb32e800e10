"""Plots as inline SVG that takes its colours and letters from the page around it."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from uwe.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["INK", "MUTED", "PAPER", "RULE", "SERIES", "canvas", "drawn", "printable"]

# Matplotlib wants colours; the page has variables, which follow light and dark. Each of these
# stands for a variable until the plot is drawn.
INK, MUTED, RULE, PAPER = "#010203", "#010204", "#010205", "#010206"
SERIES = tuple(f"#0102{number:02x}" for number in range(0x10, 0x18))
_VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)", PAPER: "var(--paper)",
    **{colour: f"var(--s{number})" for number, colour in enumerate(SERIES, start=1)},
}  # fmt: skip
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_LONG = re.compile(r"\d+\.\d{3,}")
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "uwe",  # the same plot, the same bytes
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same layout on every machine
    "text.parse_math": False,  # a name may hold dollar signs
    "figure.dpi": 72,  # one unit is one pixel of the page
}


@contextmanager
def canvas(width: float, height: float) -> Iterator[Figure]:
    """A figure of so many pixels to draw on.

    Raises:
        MissingExtraError: If matplotlib is missing.
    """
    try:
        from matplotlib import rc_context, rcdefaults, rcParams
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("bench", "a report with plots") from None
    with rc_context():
        rcdefaults()  # whatever a user's own settings say
        rcParams.update(_SETTINGS)
        yield Figure(figsize=(width / 72, height / 72), facecolor="none")


def drawn(figure: Figure, key: str, title: str = "", description: str = "") -> str:
    """The SVG element of a figure.

    Args:
        figure: What was drawn on.
        key: Its id, unique in the page; ids within begin with it.
        title: What a screen reader says first; empty for what repeats the text beside it.
        description: What it says then: the numbers.
    """
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    root = ET.fromstring(file.getvalue())  # noqa: S314 - just written by matplotlib
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib.clear()
    root.attrib.update({"id": key, "class": "plot", "viewBox": f"0 0 {width} {height}"})
    for parent in list(root.iter()):
        for child in list(parent):
            # Its style element would reach out into the page.
            if child.tag.endswith("metadata") or child.tag == f"{_SVG}style":
                parent.remove(child)
    _rename(root, key)
    if title:
        root.attrib.update({"role": "img", "aria-labelledby": f"{key}-t {key}-d"})
        for name, text in (("desc", description), ("title", title)):
            element = ET.Element(f"{_SVG}{name}", {"id": f"{key}-{name[0]}"})
            element.text = printable(text)
            root.insert(0, element)
    else:
        root.set("aria-hidden", "true")
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        element.tail = None
        if "style" in element.attrib:
            element.set("style", _themed(element.attrib["style"]))
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        for name in ("d", "transform", "x", "y", "width", "height"):
            if name in element.attrib:
                element.set(name, _LONG.sub(_rounded, " ".join(element.attrib[name].split())))
    return ET.tostring(root, encoding="unicode")


def printable(text: str) -> str:
    """`text` without what XML can not hold, such as control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _rename(root: ET.Element, key: str) -> None:
    """Prefix ids that are referred to, as plots share a page; drop the others."""
    used = set(re.findall(r"(?:url\(#|href=\")#?([\w-]+)", ET.tostring(root, encoding="unicode")))
    for element in root.iter():
        if element is root:
            continue
        if f"{_XLINK}href" in element.attrib:
            element.set("href", f"#{key}-{element.attrib.pop(f'{_XLINK}href')[1:]}")
        if "clip-path" in element.attrib:
            element.set("clip-path", element.attrib["clip-path"].replace("#", f"#{key}-"))
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.set("id", f"{key}-{identity}")


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}"


def _themed(style: str) -> str:
    for colour, variable in _VARIABLES.items():
        style = style.replace(colour, variable)
    # The size is the plot's, the letters are the page's. Releases of matplotlib write either.
    style = re.sub(r"font: (?:[a-z\d]+ )*?([\d.]+px) [^;]*", r"font-size: \1", style)
    return re.sub(r"font-family: [^;]*;? ?", "", style)
