"""Enrichment put together: rare skills, candidates, validation, the round trip, a graphs folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from uwe.checks import check_counter, natural, positive
from uwe.data.esco import newest_release
from uwe.enrich.answer import Candidate, Kind, Provider
from uwe.enrich.background import Background, read_background
from uwe.enrich.files import check_out, write_enrichment
from uwe.enrich.grounding import Grounding, Groundings, rare_skills
from uwe.enrich.round_trip import round_trip
from uwe.enrich.validation import Queries, Validator, benchmark_queries
from uwe.errors import InputError
from uwe.graphs.graph import folded
from uwe.tokens import Encoder

__all__ = ["Enrichable", "Enriched", "enrich", "read_enrichable"]

TOP_K = 50
"""How far down the round trip looks: of tens of thousands of labels, room for every label that
means nearly the same."""


@dataclass(frozen=True)
class Enrichable:
    """What an enrichment starts from.

    Attributes:
        graphs: The folder of training graphs.
        background: What they and ESCO say of all skills.
        groundings: Of the chosen skills, the rarest first.
        queries: Of all benchmark tasks that were found, which nothing may repeat.
    """

    graphs: Path
    background: Background
    groundings: list[Grounding]
    queries: Queries


@dataclass(frozen=True)
class Enriched:
    """What came of it.

    Attributes:
        folder: Where it lies.
        skills: How many were tried.
        covered: How many of them have an edge now.
        texts: How many texts of each kind were accepted.
        edges: How many edges each graph has.
        rejected: For each reason how many texts, or for `schema` and `refused` answers, were
            rejected.
        queries: How many queries of each split of a benchmark everything was compared with.
    """

    folder: Path
    skills: int
    covered: int
    texts: Counter[str]
    edges: dict[str, int]
    rejected: Counter[str]
    queries: dict[str, int]


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
        seed: Of the order among equally rare skills.

    Raises:
        InputError: If a number is wrong, or there is no such skill.
        DataError: If a file is malformed; with its path and line.
        OSError: If a file can not be read.
    """
    skills, max_degree = positive("skills", skills), natural("max_degree", max_degree)
    graphs, data = Path(graphs), Path(data)
    background = read_background(graphs, newest_release(data))
    chosen = rare_skills(background, most=skills, max_degree=max_degree, prefix=prefix, seed=seed)
    of = Groundings(background)
    return Enrichable(
        graphs=graphs,
        background=background,
        groundings=[of.of(skill) for skill in chosen],
        queries=benchmark_queries(data / "workbench", graphs / "heldout"),
    )


def enrich(
    material: Enrichable,
    out: str | Path,
    provider: Provider,
    *,
    model: Encoder | None,
    k: int = TOP_K,
    progress: Callable[[int], object] | None = None,
) -> Enriched:
    """Ask a provider for each skill, and write what is accepted, whole or not at all.

    Args:
        material: What `read_enrichable` gave.
        out: Where the graphs and `provenance.jsonl.gz` are written; an earlier enrichment there
            is replaced.
        provider: Who writes: an `OfflineWriter` or an `Asker`.
        model: Ranks all skills of the graphs for each text; None leaves the round trip out.
        k: A text is accepted if each of its skills is among the first `k`.
        progress: Called with the number of skills asked for so far.

    Raises:
        InputError: If `out` holds something else, nothing at all is accepted, k is no number above
            0, or the provider refuses.
        OSError: If the provider can not be reached, or the disk is full or refuses.
    """
    k, out = positive("k", k), Path(out)
    check_counter(progress)
    check_out(out, material.graphs)
    accepted, rejected = _validated(material, provider, progress)
    if model is not None:
        accepted = _ranked(accepted, material, model, k, rejected)
    accepted = _trainable(accepted, material, rejected)
    rejected = +rejected  # without what rejected nothing
    if not accepted:
        reasons = ", ".join(f"{number} {reason}" for reason, number in rejected.most_common())
        raise InputError(
            f"expected texts that can be accepted, got none (rejected: {reasons or 'nothing'}): "
            "look into the journal or at  uwe enrich --dry-run, or take more skills (--skills)"
        )
    edges = write_enrichment(out, accepted, material.background.skills, provider)
    chosen = {grounding.skill.id for grounding in material.groundings}
    return Enriched(
        folder=out,
        skills=len(chosen),
        covered=len(chosen & {skill for each in accepted for skill in each.skills}),
        texts=Counter(each.kind for each in accepted),
        edges=edges,
        rejected=rejected,
        queries=material.queries.splits,
    )


def _validated(
    material: Enrichable, provider: Provider, progress: Callable[[int], object] | None
) -> tuple[list[Candidate], Counter[str]]:
    """Candidates that keep to the rules, and how many do not by reason."""
    validator = Validator(material.background, material.queries)
    accepted, rejected = [], Counter[str]()
    for done, grounding in enumerate(material.groundings, 1):
        candidates = provider.candidates(grounding)
        if isinstance(candidates, str):
            rejected[candidates] += 1
            candidates = []
        for candidate in candidates:
            reason = validator.reason_against(candidate, grounding)
            if reason is None:
                accepted.append(candidate)
            else:
                rejected[reason] += 1
        if progress is not None:
            progress(done)
    return accepted, rejected


def _ranked(
    candidates: Sequence[Candidate],
    material: Enrichable,
    model: Encoder,
    k: int,
    rejected: Counter[str],
) -> list[Candidate]:
    """Candidates all of whose skills the model finds.

    One that asks for a skill too that is not found is left out whole: without that edge, training
    would push the two apart.
    """
    found = round_trip(candidates, material.background.skills, model, k=k)
    accepted = [each for each, holds in zip(candidates, found, strict=True) if holds]
    rejected["round trip"] += len(candidates) - len(accepted)
    return accepted


def _trainable(
    candidates: Sequence[Candidate], material: Enrichable, rejected: Counter[str]
) -> list[Candidate]:
    """Candidates without those of a kind whose graph has one node on a side.

    Training refuses a folder with such a graph: a node alone has no negatives.
    """
    texts: dict[Kind, set[str]] = {}
    labels: dict[Kind, set[str]] = {}
    for each in candidates:
        texts.setdefault(each.kind, set()).add(folded(each.text))
        ends = {folded(material.background.skills[skill]) for skill in each.skills}
        labels.setdefault(each.kind, set()).update(ends)
    kept = [each for each in candidates if min(len(texts[each.kind]), len(labels[each.kind])) > 1]
    rejected["graph too small"] += len(candidates) - len(kept)
    return kept
