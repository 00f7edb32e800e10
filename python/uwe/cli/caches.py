"""`uwe cache`: build and keep target caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from uwe.cli import arguments, output
from uwe.cli.guard import Commands, say

if TYPE_CHECKING:
    from uwe.cache.target_cache import TargetCache
    from uwe.corpus import TargetTable


app = Commands(help="Build and keep target caches.")

Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="The cache's folder.")]
Name = Annotated[
    str, typer.Argument(metavar="FOLDER|NAME", help="A cache's folder or a built-in space.")
]
From = Annotated[
    str | None,
    typer.Option(
        "--input", "-i", metavar="FILE",
        help="File of targets, or - for standard input. Plain lines are labels; CSV, JSON "
        "lines, Parquet and Excel have label (or text), id, aliases (a list; in CSV and Excel "
        "separated by | or line ends), and metadata in every other column. Metadata from CSV are "
        "always texts; for numbers and booleans use one of the others.",
    ),
]  # fmt: skip
LabelField = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Key or column of JSON lines or CSV that holds the label; the default is label, or "
        "text without it.",
    ),
]
IdField = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Key or column that holds the id; the default is id."),
]
AliasesField = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Key or column that holds the aliases; the default is aliases."
    ),
]


def build(
    folder: Folder,
    source: From = None,
    space: Annotated[
        str | None, typer.Option(help="A built-in target space in place of --input.")
    ] = None,
    format_: arguments.FileFormat = None,
    delimiter: arguments.Delimiter = None,
    label_field: LabelField = None,
    id_field: IdField = None,
    aliases_field: AliasesField = None,
    model: arguments.NewModel = None,
    scorer: arguments.ScorerName = None,
    dtype: Annotated[
        Literal["float32", "float16", "int8"],
        typer.Option(help="float32, exact; float16, half the size; int8, a quarter."),
    ] = "float32",
    tokens: Annotated[
        Literal["all", "pooled"],
        typer.Option(help="all, or pooled: one vector a text, for the scorer pooled."),
    ] = "all",
    skip_invalid: arguments.SkipInvalid = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Encode targets into a cache; one that is there is replaced when the new one is complete.

    Examples:
      uwe cache build skills.uwe --input skills.txt
      uwe cache build roles.uwe --input roles.csv --dtype float16
      uwe cache build esco.uwe --input skills_en.csv --label-field preferredLabel
      uwe cache build esco.uwe --space esco-occupations
    """
    if (source is None) == (space is None):
        raise typer.BadParameter("give either --input FILE or --space NAME")
    fields = {"label_field": label_field, "id_field": id_field, "aliases_field": aliases_field}
    if source is None and (skip_invalid or format_ or delimiter or any(fields.values())):
        raise typer.BadParameter(
            "--format, --delimiter, --skip-invalid and the names of fields are for --input FILE"
        )
    from uwe.cache.target_cache import TargetCache
    from uwe.encoder.loading import load
    from uwe.spaces import target_space

    if source is not None:
        table = _read(source, format_, delimiter, skip_invalid, fields)
    else:
        assert space is not None
        table = target_space(space).table()
    built = TargetCache.build(
        load(model),
        **vars(table),
        path=folder,
        scorer=scorer,
        dtype=dtype,
        tokens=tokens,
        progress=True,
    )
    _print_info(built, as_json)


def info(folder: Name, as_json: arguments.AsJson = False) -> None:
    """Say what a cache holds.

    Example:
      uwe cache info skills.uwe --json
    """
    _print_info(arguments.open_targets(folder), as_json)


def append(
    folder: Folder,
    source: From = None,
    format_: arguments.FileFormat = None,
    delimiter: arguments.Delimiter = None,
    label_field: LabelField = None,
    id_field: IdField = None,
    aliases_field: AliasesField = None,
    model: arguments.Model = None,
    skip_invalid: arguments.SkipInvalid = False,
    as_json: arguments.AsJson = False,
) -> None:
    """Add targets after those that are there.

    Example:
      uwe cache append skills.uwe --input more.txt
    """
    if source is None:
        raise typer.BadParameter("give --input FILE (- is standard input)")
    from uwe.cache.target_cache import TargetCache

    cache = TargetCache.open(folder, model=arguments.load_model(model))
    fields = {"label_field": label_field, "id_field": id_field, "aliases_field": aliases_field}
    table = _read(source, format_, delimiter, skip_invalid, fields)
    _print_info(cache.append(**vars(table), progress=True), as_json)


def remove(
    folder: Folder,
    labels: Annotated[
        list[str] | None, typer.Option("--label", help="Targets with this label; may be repeated.")
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option("--id", help="The target with this id; may be repeated.")
    ] = None,
    where: arguments.Conditions = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Take targets out; compact gives their space back.

    Examples:
      uwe cache remove skills.uwe --label "pastry baking"
      uwe cache remove roles.uwe --where family=Food
    """
    if sum(bool(given) for given in (labels, ids, where)) != 1:
        raise typer.BadParameter("give exactly one of --label, --id and --where")
    from uwe.cache.target_cache import TargetCache

    cache = TargetCache.open(folder)
    chosen = arguments.read_where(where, cache)
    left = cache.remove(chosen, ids=ids or None, labels=labels or None)
    if len(left) == len(cache):
        say("no target has what --where asks for: nothing was removed")
    _print_info(left, as_json)


def compact(folder: Folder, as_json: arguments.AsJson = False) -> None:
    """Rewrite a cache to one data file without what was removed.

    Example:
      uwe cache compact skills.uwe
    """
    from uwe.cache.target_cache import TargetCache

    _print_info(TargetCache.open(folder).compact(), as_json)


def verify(folder: Name, as_json: arguments.AsJson = False) -> None:
    """Hash every file of a cache; damage is an error that names the file.

    Example:
      uwe cache verify skills.uwe
    """
    cache = arguments.open_targets(folder)
    cache.verify()
    if as_json:
        output.print_json({"path": str(cache.path), "targets": len(cache), "sound": True})
    else:
        output.print_line(output.one_line(f"{cache.path}: sound, {len(cache)} targets"))


def _read(
    source: str,
    format_: str | None,
    delimiter: str | None,
    skip_invalid: bool,
    fields: dict[str, str | None],
) -> TargetTable:
    from uwe.corpus import read_targets

    skipped = arguments.Skipped()
    table = read_targets(
        arguments.source_of(source),
        format=arguments.file_format(format_),
        delimiter=arguments.file_delimiter(delimiter),
        on_invalid=skipped if skip_invalid else None,
        **fields,
    )
    skipped.tell()
    return table


def _print_info(cache: TargetCache, as_json: bool) -> None:
    found = cache.info()
    if as_json:
        output.print_json(found, indent=2)
        return
    width = max(map(len, found))
    for name, value in found.items():
        text = ", ".join(value) if isinstance(value, list) else str(value)
        output.print_line(f"{name.ljust(width)}  {output.one_line(text)}".rstrip())


for command in (build, info, append, remove, compact, verify):
    app.add(command.__name__, command)
