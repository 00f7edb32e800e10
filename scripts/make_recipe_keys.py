"""Write the keys of a recipe in docs/recipes.md, from the structs that read them.

python scripts/make_recipe_keys.py            writes them
python scripts/make_recipe_keys.py --check    exits with 1 if they are out of date
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from uwe.training.recipe import FORMAT, TABLES

PAGE = Path(__file__).parents[1] / "docs" / "recipes.md"
BLOCK = re.compile(r"(?<=\n## All keys\n\n).*\Z", re.DOTALL)

TITLES = {
    "": "At the top",
    "graph": "`[[graph]]`, one for each graph",
    "augment": "`augment` of a `[[graph]]`",
}


def meanings(kind: type) -> dict[str, str]:
    """What the docstring of a struct says of each attribute."""
    said = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", said, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def value_of(hint: Any) -> str:
    """What kind of value a key takes."""
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{choice}"`' for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return "list of texts"
    if get_origin(hint) is dict:
        return "table of numbers"
    return {str: "text", int: "integer", float: "number", bool: "`true` or `false`"}[hint]


def tables() -> Iterator[str]:
    """The lines of all tables."""
    for name, kind in TABLES.items():
        said, hints = meanings(kind), get_type_hints(kind)
        title = TITLES.get(name, f"`[{name}]`")
        yield from (f"### {title}", "", "| key | value | default | |", "|---|---|---|---|")
        if not name:
            yield f"| `format` | integer | none: required | Of recipes: {FORMAT}. |"
        for field in msgspec.structs.fields(kind):
            if field.name in TABLES:
                continue  # a table of its own
            given = field.default_factory() if callable(field.default_factory) else field.default
            default = "none: required" if field.required else f"`{json.dumps(given)}`"
            value = value_of(hints[field.name])
            yield f"| `{field.name}` | {value} | {default} | {said[field.name]} |"
        yield ""


def main() -> None:
    """Write the page, or see whether it is as it would be written."""
    page = PAGE.read_text(encoding="utf-8")
    made = BLOCK.sub(lambda _: "\n".join(tables()).rstrip() + "\n", page)
    if "--check" in sys.argv[1:]:
        if made != page:
            raise SystemExit(f"{PAGE.name} is out of date: run  make keys")
    else:
        PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
