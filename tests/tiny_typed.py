"""What people type, in a few lines, against a space of four targets with names."""

from __future__ import annotations

from pathlib import Path

import pytest

from uwe.data import adverts, typed
from uwe.spaces import TargetSpace

LINES = {
    "titles.tsv": (
        "title\toccupation\talso",
        "Baker - nights\tbaker\tpastry maker | cook",
        "SWE\tNONE\t",
        "pastry chef\tpastry maker\t",
    ),
    "keywords.tsv": ("keyword\tskill\talso", "bread\tbaker\t"),
    "advert_titles.tsv": ("title\toccupation\talso", "Cook\tcook\t", "Baker\tbaker\tcook"),
    "spans_house.tsv": (
        "sentence\tspan\tskill",
        "we bake\tbake\tbaker",
        "they bake\tbake\tcook",
        "you bake\tbake\tNONE",
        "we fly\tfly\tpilot of old",
        "we sing\tsing\tNONE",
    ),
    "spans_tech.tsv": ("sentence\tspan\tskill", "we cook\tcook\tcook"),
    "adverts/01.txt": ("Baker wanted, who bakes our bread.",),
    "adverts/02.txt": ("Our Kim cooks for 200.",),
    "adverts/01.tsv": ("bakes our bread\tbaker | pastry maker",),
    "adverts/02.tsv": ("cooks for 200\tcook",),
}
LABELS = ("baker", "cook", "pastry maker", "guard")
ALIASES = (("bread maker",), (), ("Pastry Chef", "confectioner"), ())


def write_typed(data: Path) -> Path:
    """Write the six sets into `typed/` of a data folder; gives `typed/`."""
    for name, lines in LINES.items():
        path = data / "typed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return data / "typed"


def use_space(
    monkeypatch: pytest.MonkeyPatch, aliases: tuple[tuple[str, ...], ...] | None = ALIASES
) -> None:
    """Let the sets be read against the four targets, whichever space they name."""
    space = TargetSpace(
        name="tiny", title="Tiny", version="1.2.0", language="en", labels=LABELS,
        ids=("o/1", "o/2", "o/3", "o/4"), aliases=aliases, metadata={}, licence="", attribution="",
        sha256="",
    )  # fmt: skip
    for module in (adverts, typed):
        monkeypatch.setattr(module, "target_space", lambda _: space)
