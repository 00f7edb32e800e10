"""The folder that an enrichment is written to: nodes and edges as training reads them, provenance.

`VE` joins skills to sentences, `AE` to aliases, `JE` jobs (titles) to skills; a graph without an
edge is not written. `provenance.jsonl.gz` has an entry for each edge.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from uwe.data.commit import replaced, settled, write_lines
from uwe.enrich.answer import Candidate, Kind, Provider
from uwe.enrich.background import RELATION
from uwe.errors import InputError
from uwe.graphs.files import write_graph_files

__all__ = ["PROVENANCE", "check_out", "write_enrichment"]

PROVENANCE = "provenance.jsonl.gz"
_GRAPHS: dict[Kind, tuple[str, str, str]] = {
    "sentence": ("VE", "skill", "sentence"),
    "alias": ("AE", "skill", "skill_alias"),
    "title": ("JE", "job", "skill"),
}
"""Of each kind of text the graph, and the kinds of its ends."""
_FILES = {
    PROVENANCE,
    *(f"{name}.edges.tsv.gz" for name, _, _ in _GRAPHS.values()),
    *(f"nodes.{kind}.jsonl.gz" for _, *kinds in _GRAPHS.values() for kind in kinds),
}


def check_out(out: Path, graphs: Path) -> None:
    """InputError if something else than an earlier enrichment would be lost."""
    out = settled(out)
    if out.resolve() in (graphs.resolve(), *graphs.resolve().parents):
        raise InputError(
            f"{out}: expected another folder than that of the graphs, got the same or one around "
            "it: name another"
        )
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder or nothing there, got a file: move it away")
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if others := sorted(found - _FILES) if PROVENANCE in found else sorted(found):
        raise InputError(
            f"{out}: expected a new folder or one of  uwe enrich, which is replaced, found "
            f"{others[0]}: name another, or empty it"
        )


def write_enrichment(
    out: Path,
    candidates: Sequence[Candidate],
    skills: Mapping[str, str],
    provider: Provider,
) -> dict[str, int]:
    """Write accepted texts, whole or not at all; an earlier enrichment there is replaced.

    Args:
        out: The folder.
        candidates: What was accepted.
        skills: The labels of skills, by id.
        provider: Who wrote it.

    Returns:
        How many edges each graph has.

    Raises:
        OSError: If the disk is full or refuses.
    """
    relation = f"{RELATION}-{provider.name}"
    nodes: dict[str, dict[str, tuple[str, str]]] = {}
    edges: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for candidate in candidates:
        graph, *kinds = _GRAPHS[candidate.kind]
        text = _id(candidate.text)
        for skill in candidate.skills:
            ends = (text, skill) if kinds[1] == "skill" else (skill, text)
            for kind, id_ in zip(kinds, ends, strict=True):
                known = (candidate.text, relation) if id_ == text else (skills[skill], "skill")
                nodes.setdefault(kind, {}).setdefault(id_, known)
            entry = {
                "graph": graph,
                kinds[0]: ends[0],
                kinds[1]: ends[1],
                "model": provider.model,
                "prompt_version": provider.version,
                "seed": provider.seed,
                "grounding": list(candidate.grounding),
                "request": candidate.request,
            }
            edges.setdefault(graph, {}).setdefault(ends, entry)
    with replaced(out) as new:
        graphs = {
            name: ((left, right), dict.fromkeys(edges[name], relation))
            for name, left, right in _GRAPHS.values()
            if name in edges
        }
        write_graph_files(new, nodes, graphs)
        ordered = (of[ends] for _, of in sorted(edges.items()) for ends in sorted(of))
        write_lines(new / PROVENANCE, map(_line, ordered))
    return {graph: len(of) for graph, of in sorted(edges.items())}


def _id(text: str) -> str:
    """The id of a node that is nothing but its text."""
    digest = hashlib.sha1(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return f"{RELATION}/{digest[:12]}"


def _line(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False)
