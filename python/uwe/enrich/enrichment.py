"""Enrichment put together: rare skills, candidates, validation, the round trip, a graphs folder.

The folder has nodes and edges as training reads them: `VE` joins skills to sentences, `AE` to
aliases, `JE` jobs (titles) to skills; a graph without an edge is not written.
`provenance.jsonl.gz` has an entry for each edge.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uwe.cache.target_cache import TargetCache
from uwe.checks import natural, positive, real_path
from uwe.data.esco import newest_release
from uwe.encoder.tokens import Encoder
from uwe.enrich.background import RELATION, Background, read_background
from uwe.enrich.grounding import Grounder, Grounding, rare_skills
from uwe.enrich.llm import LLM
from uwe.enrich.prompt import PROMPT_VERSION, Candidate, Kind
from uwe.enrich.validation import Queries, Validator, benchmark_queries
from uwe.errors import InputError
from uwe.files.atomic import check_nothing_lost, replaced, settled, write_lines
from uwe.graphs.builder import GraphBuilder
from uwe.graphs.graph import folded
from uwe.progress import Progress, check_progress, reporting
from uwe.ranking.rank import rank_stream

TOP_K = 50
"""How far down the round trip looks: of tens of thousands of labels, room for every label that
means nearly the same."""

PROVENANCE = "provenance.jsonl.gz"
_RELATION = f"{RELATION}-llm"
_GRAPHS: dict[Kind, tuple[str, str, str]] = {
    "sentence": ("VE", "skill", "sentence"),
    "alias": ("AE", "skill", "skill_alias"),
    "title": ("JE", "job", "skill"),
}
"""Of each kind of text the graph, and the kinds of its ends."""
_FILES = (
    PROVENANCE,
    *(f"{name}.edges.tsv.gz" for name, _, _ in _GRAPHS.values()),
    *(f"nodes.{kind}.jsonl.gz" for _, *kinds in _GRAPHS.values() for kind in kinds),
)


@dataclass(frozen=True)
class Enrichable:
    """What an enrichment starts from."""

    graphs: Path  # the folder of training graphs
    background: Background  # what they and ESCO say of all skills
    groundings: list[Grounding]  # what is known of each chosen skill, the rarest first
    queries: Queries  # of all benchmark tasks that were found; nothing may repeat them


@dataclass(frozen=True)
class Enriched:
    """What came of it."""

    folder: Path
    skills: int  # how many were tried
    covered: int  # how many of them have an edge now
    texts: Counter[str]  # how many of each kind were accepted
    edges: dict[str, int]  # how many each graph has
    rejected: Counter[str]  # how many texts by reason; answers for `schema` and `refused`
    queries: dict[str, int]  # how many of each benchmark split everything was compared with


def read_enrichable(
    graphs: str | Path,
    data: str | Path,
    *,
    skills: int = 200,
    max_degree: int = 2,
    prefix: str = "",
    seed: int = 0,
) -> Enrichable:
    """Read the graphs, ESCO and the benchmark, and choose the rare skills.

    Args:
        graphs: A folder of training graphs.
        data: The data folder: the newest release in `esco/`, if there is one, gives types,
            descriptions and what is broader; the queries of all splits in `workbench/`, and those
            of `heldout/` beside the graphs, may not be repeated.
        skills: How many are chosen at most.
        max_degree: How many sentences a rare skill has at most, its description not counted.
        prefix: How the ids of chosen skills begin.
        seed: Sets the order among equally rare skills.
    """
    skills, max_degree = positive("skills", skills), natural("max_degree", max_degree)
    graphs, data = Path(graphs), Path(data)
    background = read_background(graphs, newest_release(data))
    chosen = rare_skills(background, most=skills, max_degree=max_degree, prefix=prefix, seed=seed)
    grounder = Grounder(background)
    return Enrichable(
        graphs=graphs,
        background=background,
        groundings=[grounder.ground(skill) for skill in chosen],
        queries=benchmark_queries(data / "workbench", graphs / "heldout"),
    )


def check_out(out: Path, graphs: Path) -> None:
    """InputError if something else than an earlier enrichment would be lost."""
    out = settled(out)
    if real_path(out) in (real_path(graphs), *real_path(graphs).parents):
        raise InputError(
            f"{out}: expected another folder than that of the graphs, got the same or one around "
            "it: name another"
        )
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder or nothing there, got a file: move it away")
    ours = _FILES if (out / PROVENANCE).exists() else ()
    check_nothing_lost(out, ours, "uwe enrich")


def enrich(
    material: Enrichable,
    out: str | Path,
    llm: LLM,
    *,
    model: Encoder | None,
    k: int = TOP_K,
    progress: Progress = False,
) -> Enriched:
    """Ask a language model for each skill, and write what is accepted, whole or not at all.

    An earlier enrichment in `out` is replaced. `model` ranks all skills of the graphs for each
    text, which is accepted if its skill is among the first `k`; None leaves this round trip out.
    `progress` is True for a bar on standard error if that is a terminal, or a callable that takes
    (done, total): skills asked for. It is an InputError if nothing at all is accepted.
    """
    k, out = positive("k", k), Path(out)
    check_progress(progress)
    check_out(out, material.graphs)
    skills = material.background.skills
    accepted, rejected = _validated(material, llm, progress)
    if model is not None:
        found = round_trip(accepted, skills, model, k=k)
        rejected["round trip"] = len(found) - sum(found)
        accepted = [each for each, holds in zip(accepted, found, strict=True) if holds]
    accepted = _trainable(accepted, skills, rejected)
    rejected = +rejected  # without what rejected nothing
    if not accepted:
        reasons = ", ".join(f"{number} {reason}" for reason, number in rejected.most_common())
        raise InputError(
            f"expected texts that can be accepted, got none (rejected: {reasons or 'nothing'}): "
            "look into the journal or at  uwe enrich --dry-run, or take more skills (--skills)"
        )
    edges = _write(out, accepted, skills, llm)
    chosen = {grounding.skill.id for grounding in material.groundings}
    return Enriched(
        folder=out,
        skills=len(chosen),
        covered=len({each.skill for each in accepted}),
        texts=Counter(each.kind for each in accepted),
        edges=edges,
        rejected=rejected,
        queries=material.queries.splits,
    )


def _validated(
    material: Enrichable, llm: LLM, progress: Progress
) -> tuple[list[Candidate], Counter[str]]:
    """Candidates that keep to the rules, and how many do not by reason."""
    validator = Validator(material.background, material.queries)
    accepted, rejected = [], Counter[str]()
    with reporting(progress, len(material.groundings), "Asking") as report:
        for done, grounding in enumerate(material.groundings, 1):
            candidates = llm.candidates(grounding)
            if isinstance(candidates, str):
                rejected[candidates] += 1
                candidates = []
            for candidate in candidates:
                reason = validator.reason_against(candidate, grounding)
                if reason is None:
                    accepted.append(candidate)
                else:
                    rejected[reason] += 1
            report(done)
    return accepted, rejected


def round_trip(
    candidates: Sequence[Candidate], skills: Mapping[str, str], model: Encoder, *, k: int
) -> list[bool]:
    """For each candidate whether the model ranks its skill among the first `k` for it.

    The target space is the labels in `skills`, which are by id; equal ones count once. The model
    ranks them by its own scorer.
    """
    labels: dict[str, str] = {}
    for label in skills.values():
        labels.setdefault(folded(label), label)
    with tempfile.TemporaryDirectory(prefix="uwe-enrich-") as folder:
        cache = TargetCache.build(model, labels.values(), path=Path(folder) / "skills.uwe")
        texts = (candidate.text for candidate in candidates)
        ranked = rank_stream(texts, cache, k=k, abbreviations=False)
        return [
            folded(skills[candidate.skill]) in {folded(match.label) for match in matches}
            for candidate, matches in zip(candidates, ranked, strict=True)
        ]


def _trainable(
    candidates: Sequence[Candidate], skills: Mapping[str, str], rejected: Counter[str]
) -> list[Candidate]:
    """Candidates without those of a kind whose graph has one node on a side.

    Training refuses a folder with such a graph: a node alone has no negatives.
    """
    texts: dict[Kind, set[str]] = {}
    labels: dict[Kind, set[str]] = {}
    for each in candidates:
        texts.setdefault(each.kind, set()).add(folded(each.text))
        labels.setdefault(each.kind, set()).add(folded(skills[each.skill]))
    kept = [each for each in candidates if min(len(texts[each.kind]), len(labels[each.kind])) > 1]
    rejected["graph too small"] += len(candidates) - len(kept)
    return kept


def _write(
    out: Path, candidates: Sequence[Candidate], skills: Mapping[str, str], llm: LLM
) -> dict[str, int]:
    """Write accepted texts, whole or not at all; how many edges each graph has."""
    used = {each.kind for each in candidates}
    graphs = GraphBuilder(
        {name: (left, right) for kind, (name, left, right) in _GRAPHS.items() if kind in used}
    )
    provenance: dict[tuple[str, str, str], dict[str, Any]] = {}
    for each in candidates:
        name, left_kind, right_kind = _GRAPHS[each.kind]
        other = left_kind if right_kind == "skill" else right_kind
        text = graphs.text_node(other, RELATION, each.text, _RELATION)
        graphs.node("skill", each.skill, skills[each.skill], "skill")
        left, right = (text, each.skill) if right_kind == "skill" else (each.skill, text)
        graphs.edge(name, left, right, _RELATION)
        entry = {
            "graph": name,
            left_kind: left,
            right_kind: right,
            "model": llm.model,
            "prompt_version": PROMPT_VERSION,
            "seed": llm.seed,
            "grounding": list(each.grounding),
            "request": each.request,
        }
        provenance.setdefault((name, left, right), entry)
    with replaced(out) as new:
        graphs.write(new)
        ordered = (provenance[edge] for edge in sorted(provenance))
        write_lines(new / PROVENANCE, (json.dumps(each, ensure_ascii=False) for each in ordered))
    return {name: relations.total() for name, relations in sorted(graphs.relations().items())}
