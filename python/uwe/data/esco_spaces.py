"""Target spaces of an ESCO release: skills and occupations with aliases and metadata.

A space is one file of JSON lines, as `uwe.corpus.read_targets` and `uwe cache build --input` take
it. Its targets stand in WorkBench's order: that of the labels as ESCO spells them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uwe.data.esco import Concept, ConceptT, EscoRelease, Group
from uwe.files.atomic import write_lines

_STEP, _OTHER = " > ", " | "


def write_spaces(release: EscoRelease, out: Path) -> dict[Path, int]:
    """Write `spaces/esco-<version>-<language>-skills.jsonl.gz`, and `-occupations` if there are.

    They lie below the data folder `out`, which is made if it is not there. It returns the number of
    targets of each file.

    A line has `label`, `id`, `aliases`, and as metadata, null where ESCO says nothing: `uri`; of
    skills `skill_type`, `reuse_level` and `group`, the label of the nearest group; of occupations
    `code`, `isco_group` and its `isco_label`; of both `broader`, the labels of the broader skills
    or occupations, separated by ` | `, and `hierarchy`, those of the nearest group and all above
    it, from the top, separated by ` > `.
    """
    written = {}
    for kind, targets in (
        ("skills", list(_skills(release))),
        ("occupations", list(_occupations(release))),
    ):
        if targets:
            path = out / "spaces" / f"{release.name}-{kind}.jsonl.gz"
            write_lines(path, (json.dumps(target, ensure_ascii=False) for target in targets))
            written[path] = len(targets)
    return written


def _skills(release: EscoRelease) -> Iterator[dict[str, Any]]:
    for skill in _ordered(release.skills):
        groups = _groups(skill, release.skill_groups, release)
        yield {
            **_target(skill),
            "skill_type": skill.skill_type or None,
            "reuse_level": skill.reuse_level or None,
            "group": groups[-1] if groups else None,
            "broader": _broader(skill, release.skills, release),
            "hierarchy": _STEP.join(groups) or None,
        }


def _occupations(release: EscoRelease) -> Iterator[dict[str, Any]]:
    by_code = {group.code: group.label for group in release.isco_groups.values()}
    for occupation in _ordered(release.occupations):
        yield {
            **_target(occupation),
            "code": occupation.code or None,
            "isco_group": occupation.isco_group or None,
            "isco_label": by_code.get(occupation.isco_group),
            "broader": _broader(occupation, release.occupations, release),
            "hierarchy": _STEP.join(_groups(occupation, release.isco_groups, release)) or None,
        }


def _ordered(concepts: Mapping[str, ConceptT]) -> list[ConceptT]:
    return sorted(concepts.values(), key=lambda concept: concept.spelling)


def _target(concept: Concept) -> dict[str, Any]:
    return {
        "label": concept.label,
        "id": concept.id,
        "aliases": [alias for alias in concept.aliases if alias != concept.label],
        "uri": concept.uri,
    }


def _broader(concept: Concept, known: Mapping[str, Concept], release: EscoRelease) -> str | None:
    uris = release.broader.get(concept.uri, ())
    return _OTHER.join(known[uri].label for uri in uris if uri in known) or None


def _groups(concept: Concept, groups: Mapping[str, Group], release: EscoRelease) -> list[str]:
    """Labels of the groups above, from the top; of several broader ones a group goes first."""
    climbed: dict[str, None] = {}
    uri = concept.uri
    while above := release.broader.get(uri):
        uri = next((each for each in above if each in groups), above[0])
        if uri in climbed:
            # A circle, which no release should have.
            break
        climbed[uri] = None
    return [groups[uri].label for uri in reversed(climbed) if uri in groups]
