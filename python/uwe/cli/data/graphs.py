"""`uwe data graphs`: the training graphs out of ESCO's and O*NET's files."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli import arguments, output

__all__ = ["graphs"]

Out = Annotated[
    str, typer.Option(metavar="FOLDER", help="Where they are written; graphs there are replaced.")
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
        "trained on it has seen the answers of WorkBench.",
    ),
]
SkillSkape = Annotated[
    str | None,
    typer.Option(
        "--skillskape", metavar="FILE", help="SkillSkape's train.csv, for sentences in V."
    ),
]


def graphs(
    out: Out,
    data: Data = None,
    heldout: HeldOut = False,
    skillskape: SkillSkape = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Build the training graphs J, V, A, N and D, without what answers WorkBench.

    What could not be built from the files is listed at the end.

    Examples:
      uwe data graphs --data data --out data/train
      uwe data graphs --data data --out data/train_full --heldout
    """
    from uwe.data import esco, onet
    from uwe.data.graphs import build_graphs
    from uwe.data.layout import data_folder

    built = build_graphs(data_folder(data), out, heldout=heldout, skillskape=skillskape)
    if as_json:
        document = {
            "path": str(built.folder),
            "releases": built.releases,
            "edges": built.relations,
            "nodes": built.nodes,
            "heldout": built.heldout,
            "left_out": built.left_out,
            "not_rebuilt": built.not_rebuilt,
        }
        output.print_json(document, indent=2)
        return
    output.print_line(f"{built.folder}: of ESCO {', '.join(built.releases)} and O*NET")
    rows = [
        [name, relation, f"{count:,}"]
        for name, relations in built.relations.items()
        for relation, count in (("all", relations.total()), *relations.most_common())
    ]
    output.print_table(["graph", "relation", "edges"], rows, right="2")
    for kind, count in built.nodes.items():
        output.print_line(f"{count:,} nodes of kind {kind}")
    for name, splits in built.heldout.items():
        for split, count in splits.items():
            output.print_line(f"{built.folder}/heldout/{name} {split}: {count:,} queries")
    for what, count in built.left_out.items():
        output.print_line(f"left out: {count:,} {what}")
    for what in built.not_rebuilt:
        output.print_line(f"not rebuilt: {what}")
    output.print_line(esco.ATTRIBUTION)
    output.print_line(onet.ATTRIBUTION)
