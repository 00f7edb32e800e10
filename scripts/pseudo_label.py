"""Ask models for the skills of real adverts, for another model to learn from.

    python scripts/pseudo_label.py DATA_FOLDER MODEL [MODEL ...]

Pairs the texts of the graphs U and S, which `uwe.graphs.adverts` reads from SkillSpan's training
adverts, with the skills of ESCO that score best in the mean of the models: at most 6 of a line and
4 of marked words, none more than 0.12 below the first. Texts that are a query of a task, or that
people typed, get no answer. Replaces `data/adverts/` of the project.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import uwe
from uwe.corpus import read_queries
from uwe.data.typed import typed_queries
from uwe.files.atomic import write_lines
from uwe.graphs.adverts import ANSWERS, COLUMNS, SEPARATOR, advert_texts, compared, digest

OUT = Path(__file__).parents[1] / "data"
BEST, BELOW = 40, 0.02
"""Of each model so many skills are known; another one is taken to be so much below the last."""
MARGIN = 0.12
MOST = {"U": 6, "S": 4}
OF_ESCO = {"job2skill", "skill2job", "skillnorm"}
"""Tasks whose queries are ESCO's own words, which any advert may have."""


def main() -> None:
    """Read, rank, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("models", nargs="+")
    arguments = parser.parse_args()
    secret = set(map(compared, queries_of_tasks(arguments.data)))
    texts = {
        name: [text for text in found if compared(text) not in secret]
        for name, found in advert_texts(arguments.data).items()
    }
    space = uwe.target_space("esco-skills")
    found: dict[str, list[uwe.TopK]] = {name: [] for name in texts}
    for model in arguments.models:
        cache = uwe.TargetCache.build(uwe.load(model), space.labels)
        for name, queries in texts.items():
            found[name].append(uwe.top_k(queries, cache, k=BEST))
    for name, queries in texts.items():
        lines = {
            digest(query): SEPARATOR.join(space.ids[j] for j in best(found[name], i, MOST[name]))
            for i, query in enumerate(queries)
        }
        rows = ("\t".join(row) for row in sorted(lines.items()))
        write_lines(OUT / ANSWERS[name], ["\t".join(COLUMNS), *rows])
        print(f"{OUT / ANSWERS[name]}: the skills of {len(lines):,} texts")


def queries_of_tasks(data: Path) -> Iterator[str]:
    """What no model may learn from."""
    for path in sorted((data / "workbench").glob("*/*.queries.jsonl.gz")):
        if path.parent.name not in OF_ESCO:
            for query in read_queries(path):
                yield query.text
    yield from typed_queries(data / "typed")


def best(found: Sequence[uwe.TopK], query: int, most: int) -> list[int]:
    """The best skills of a query in the mean of all models."""
    ranked = [
        dict(zip(top.indices[query].tolist(), top.scores[query].tolist(), strict=True))
        for top in found
    ]
    means = {
        skill: sum(scores.get(skill, min(scores.values()) - BELOW) for scores in ranked)
        / len(ranked)
        for skill in dict.fromkeys(skill for scores in ranked for skill in scores)
    }
    order = sorted(means, key=lambda skill: -means[skill])[:most]
    return [skill for skill in order if means[skill] > means[order[0]] - MARGIN]


if __name__ == "__main__":
    main()
