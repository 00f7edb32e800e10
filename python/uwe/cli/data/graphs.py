"""`uwe data graphs`: the training graphs out of ESCO's and O*NET's files, or out of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output

if TYPE_CHECKING:
    from uwe.graphs.adverts import AdvertGraphs
    from uwe.graphs.build import BuiltGraphs
    from uwe.graphs.written import WrittenGraphs


Out = Annotated[
    str,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Where they are written; graphs there are replaced."
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="The data folder, with esco/<version>/ (the zips as downloaded) and onet/ (see: uwe "
        "data import onet); the default is $UWE_DATA.",
    ),
]
HeldOut = Annotated[
    bool,
    typer.Option(
        "--heldout",
        help="Take all of ESCO, a tenth of its concepts held out and made tasks of: a model "
        "trained on it has seen the answers of WorkBench. With --texts: without that tenth.",
    ),
]
SkillSkape = Annotated[
    str | None,
    typer.Option(
        "--skillskape", metavar="FILE", help="SkillSkape's train.csv, for sentences in V."
    ),
]
Texts = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Build the graphs W, M, P, T, K, L and O instead, of the written texts and the "
        "lexicon in FOLDER, such as data/ of the project.",
    ),
]

Adverts = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Build the graphs U and S instead, of SkillSpan's training adverts in the data folder "
        "and the skills that models answered, in FOLDER, such as data/ of the project.",
    ),
]


def graphs(
    out: Out,
    data: Data = None,
    heldout: HeldOut = False,
    skillskape: SkillSkape = None,
    texts: Texts = None,
    adverts: Adverts = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Build the training graphs J, V, A, N and D, without what answers WorkBench.

    What could not be built from the files is listed at the end. With --texts, graphs of texts
    that a language model wrote for ESCO's concepts are built instead, with --adverts graphs of
    real adverts; O*NET is not needed.

    Examples:
      uwe data graphs --data data --out data/train
      uwe data graphs --data data --out data/train_full --heldout
      uwe data graphs --data data --texts data --out data/written_clean
      uwe data graphs --data data --adverts data --out data/adverts
    """
    from uwe.data import esco, onet
    from uwe.data.layout import data_folder
    from uwe.graphs.build import build_graphs

    if adverts is not None:
        if skillskape is not None or texts is not None or heldout:
            raise typer.BadParameter(
                "--skillskape, --texts and --heldout are for other graphs: leave them or --adverts "
                "out"
            )
        _adverts(data_folder(data), adverts, out, as_json=as_json)
        return
    if texts is not None:
        if skillskape is not None:
            raise typer.BadParameter("--skillskape is for the graph V: leave it or --texts out")
        _written(data_folder(data), texts, out, heldout=heldout, as_json=as_json)
        return
    built = build_graphs(data_folder(data), out, heldout=heldout, skillskape=skillskape)
    if as_json:
        _print_json(built)
        return
    output.print_line(f"{built.folder}: of ESCO {', '.join(built.releases)} and O*NET")
    _print_edges(built.relations, built.nodes)
    for name, splits in built.heldout.items():
        for split, count in splits.items():
            output.print_line(f"{built.folder}/heldout/{name} {split}: {count:,} queries")
    for what, count in built.left_out.items():
        output.print_line(f"left out: {count:,} {what}")
    for what in built.not_rebuilt:
        output.print_line(f"not rebuilt: {what}")
    output.print_line(esco.ATTRIBUTION)
    output.print_line(onet.ATTRIBUTION)


def _written(data: Path, texts: str, out: str, *, heldout: bool, as_json: bool) -> None:
    from uwe.data import esco, onet
    from uwe.graphs.written import ATTRIBUTION, build_written_graphs

    built = build_written_graphs(data, texts, out, heldout=heldout)
    if as_json:
        _print_json(built)
        return
    output.print_line(f"{built.folder}: of {texts} and ESCO {', '.join(built.releases)}")
    _print_edges(built.relations, built.nodes)
    for name, count in built.shared.items():
        output.print_line(f"{name}: {count:,} texts have several concepts")
    for name, reasons in built.left_out.items():
        for what, count in reasons.most_common():
            output.print_line(f"left out of {name}: {count:,} texts {what}")
    output.print_line(ATTRIBUTION)
    output.print_line(esco.ATTRIBUTION)
    output.print_line(onet.ATTRIBUTION)


def _adverts(data: Path, adverts: str, out: str, *, as_json: bool) -> None:
    from uwe.data import esco
    from uwe.graphs.adverts import ATTRIBUTION, build_advert_graphs

    built = build_advert_graphs(data, adverts, out)
    if as_json:
        _print_json(built)
        return
    output.print_line(f"{built.folder}: of SkillSpan's adverts and the answers in {adverts}")
    _print_edges(built.relations, built.nodes)
    for name, count in built.unanswered.items():
        output.print_line(f"left out of {name}: {count:,} texts without an answer")
    output.print_line(ATTRIBUTION)
    output.print_line(esco.ATTRIBUTION)


def _print_json(built: AdvertGraphs | BuiltGraphs | WrittenGraphs) -> None:
    others = dict(vars(built))
    document = {"path": str(others.pop("folder")), "edges": others.pop("relations"), **others}
    output.print_json(document, indent=2)


def _print_edges(edges: Mapping[str, Counter[str]], nodes: Mapping[str, int]) -> None:
    rows = [
        [name, relation, f"{count:,}"]
        for name, relations in edges.items()
        for relation, count in (("all", relations.total()), *relations.most_common())
    ]
    output.print_table(["graph", "relation", "edges"], rows, right="2")
    for kind, count in nodes.items():
        output.print_line(f"{count:,} nodes of kind {kind}")
