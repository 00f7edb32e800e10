"""The training graphs J, V, A, N and D out of ESCO's and O*NET's files in a data folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from uwe.checks import path_of
from uwe.corpus import read_queries
from uwe.data.esco import EscoRelease, Older, read_releases
from uwe.data.layout import write_task
from uwe.data.onet import read_onet
from uwe.errors import InputError
from uwe.files.atomic import replaced, write_lines
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.esco import add_esco, heldout_ids, heldout_tasks
from uwe.graphs.files import check_replaceable
from uwe.graphs.graph import plain
from uwe.graphs.onet import add_onet
from uwe.graphs.skillskape import RELATION, add_sentences, read_sentences


@dataclass(frozen=True)
class BuiltGraphs:
    """What was built."""

    folder: Path
    releases: tuple[str, ...]  # those of ESCO that were read, the newest first
    relations: dict[str, Counter[str]]  # for each graph how many edges it has of each relation
    nodes: dict[str, int]  # how many of each kind there are
    heldout: dict[str, dict[str, int]]  # queries of each split, for each task of `heldout/`
    left_out: Counter[str]  # what of the sentences is not in V, counted
    not_rebuilt: tuple[str, ...]  # relations of which there is no edge, with the reason


def build_graphs(
    data: str | Path,
    out: str | Path,
    *,
    heldout: bool = False,
    skillskape: str | Path | None = None,
) -> BuiltGraphs:
    """Build the graphs, and write them whole or not at all; graphs that are there are replaced.

    The same files give the same bytes.

    Args:
        data: A folder with `esco/<version>/`, each with the zips or files of a release, and
            `onet/`, as `uwe data import onet` leaves it. The newest release is the one that counts.
        out: Where `nodes.<kind>.jsonl.gz` and `<graph>.edges.tsv.gz` are written.
        heldout: Take all of ESCO, and hold a tenth of its concepts out, in place of leaving out
            what answers WorkBench; `heldout_ids.tsv.gz` and `heldout/`, tasks of them, are written
            too.
        skillskape: SkillSkape's training sentences: CSV or JSON lines.
    """
    data, out = path_of("data", data), path_of("out", out)
    check_replaceable(out)
    sentences = read_sentences(skillskape) if skillskape is not None else {}
    if not (data / "onet").is_dir():
        raise InputError(
            f"{data}: expected onet/, found none: make it with  uwe data import onet FILE.zip "
            f"--out {data}"
        )
    release, older = read_releases(data)
    graphs = GraphBuilder()
    add_onet(graphs, read_onet(data / "onet"))
    add_esco(graphs, release, older, full=heldout)
    labels = _labels(release, older)
    left_out = add_sentences(graphs, sentences, labels, _queries(data / "workbench"))
    with replaced(out) as new:
        graphs.write(new)
        tasks = _write_heldout(release, new) if heldout else {}
    return BuiltGraphs(
        folder=out,
        releases=(release.version, *(version for version, _ in older)),
        relations=graphs.relations(),
        nodes={kind: len(ids) for kind, ids in graphs.used().items()},
        heldout=tasks,
        left_out=left_out,
        not_rebuilt=_not_rebuilt(graphs, heldout=heldout),
    )


_RELATIONS = {
    "J": (
        "onet-tool", "onet-technology", "onet-commodity", "onet-dwa",
        "onet-element-importance>=3.5",
    ),
    "V": ("onet-task-dwa", RELATION, "esco-skill-description", "onet-element-description"),
    "A": (
        "onet-acronym", "esco-hidden-label", "esco-label-revision", "onet-tool-class(weak)",
        "onet-technology-class(weak)", "onet-iwa-of-dwa(weak)",
    ),
    "N": ("onet-alternate-title", "esco-occupation-altlabel"),
    "D": ("esco-occupation-description", "onet-description"),
}  # fmt: skip
_HELDOUT_RELATIONS = {"J": ("esco-essential", "esco-optional"), "A": ("esco-altlabel",)}
_REASONS = {
    RELATION: "its sentences are published apart: pass --skillskape FILE",
    "esco-label-revision": "it needs an earlier release beside the newest, in esco/<version>/",
}


def _not_rebuilt(graphs: GraphBuilder, *, heldout: bool) -> tuple[str, ...]:
    """Relations of which there is no edge, with the reason."""
    return tuple(
        f"{name}: {relation} ({_REASONS.get(relation, 'nothing in these files gives it')})"
        for name, found in graphs.relations().items()
        for relation in (*_RELATIONS[name], *(_HELDOUT_RELATIONS.get(name, ()) if heldout else ()))
        if not found[relation]
    )


def _labels(release: EscoRelease, older: Sequence[Older]) -> dict[str, str]:
    """The id of the skill of each label; where releases differ, as the earliest has it.

    SkillSkape was labelled with an early one.
    """
    labels: dict[str, str] = {}
    for skills in (*(skills for _, skills in reversed(older)), release.skills):
        for skill in skills.values():
            labels.setdefault(plain(skill.label), skill.id)
    return labels


def _queries(folder: Path) -> Iterator[str]:
    """Sentences that are queries of a task of skill extraction, where there are any."""
    for path in sorted(folder.glob("skillextract*/*.queries.jsonl.gz")):
        for record in read_queries(path):
            yield record.text


def _write_heldout(release: EscoRelease, folder: Path) -> dict[str, dict[str, int]]:
    ids = ("\t".join(entry) for entry in heldout_ids(release))
    write_lines(folder / "heldout_ids.tsv.gz", chain(["id\tsplit"], ids))
    tasks = {name: splits for name, splits in heldout_tasks(release).items() if splits}
    for name, splits in tasks.items():
        write_task(folder / "heldout" / name, splits)
    return {
        name: {split: len(task.queries) for split, task in splits.items()}
        for name, splits in tasks.items()
    }
