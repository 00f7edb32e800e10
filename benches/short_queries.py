"""Short queries: does a model find what they name, and do a few labels come up for everything?

    python benches/short_queries.py MODEL[=SCORER] ... [--show]

A label that training has joined to nearly every job lies near every text, and comes first where a
query says little. No task of WorkBench has such queries. For each model, ESCO's 13,939 skills are
ranked for queries as people type them, picked by hand: 24 that name a skill, of which the table
says how many find it first and among the first three, and 24 that name none or one of many. *Hub*
is the label that is among the first three most often over all of them, and how often.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

import uwe

NAMED = {
    "PowerPoint": ("use presentation software",),
    "excel": ("use spreadsheets software",),
    "MS Word": ("use word processing software",),
    "Photoshop": ("Adobe Photoshop", "perform image editing"),
    "AutoCAD": ("CAD software", "CADD software", "use CADD software"),
    "SAP": ("SAP R3", "SAP Data Services"),
    "PPE": ("personal protective equipment", "use personal protection equipment"),
    "HACCP": ("apply HACCP",),
    "CRM": ("customer relationship management", "use customer relationship management software"),
    "SEO": ("search engine optimisation", "conduct search engine optimisation"),
    "GDPR": ("GDPR", "data protection"),
    "first aid": ("first aid", "provide first aid"),
    "forklift": ("operate forklift",),
    "payroll": ("manage payroll",),
    "python": ("Python (computer programming)",),
    "java": ("Java (computer programming)",),
    "sql": ("SQL",),
    "french": ("French",),
    "babysitter": ("babysitting", "baby care"),
    "machine learning": ("machine learning", "utilise machine learning"),
    "Google Analytics": ("web analytics",),
    "project manager": ("project management", "perform project management"),
    "leading a team": ("lead a team",),
    "driving": ("drive vehicles",),
}
OTHERS = (
    *("PM", "HR", "KPI", "B2B", "PLC", "Jira", "barista", "nurse", "sales", "office", "warehouse"),
    *("teamwork", "leadership", "remote", "night shift", "5 years", "full time", "fast learner"),
    *("hands-on", "Berlin", "asdf", "n/a", "other", "etc."),
)
FIRST = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="MODEL[=SCORER]")
    parser.add_argument("--show", action="store_true", help="the first three of each query")
    chosen = parser.parse_args()
    labels = uwe.target_space("esco-skills").labels
    print("| model | scorer | named: first | in the first three | hub |\n|---|---|---|---|---|")
    for given in chosen.models:
        name, _, scorer = given.partition("=")
        model = uwe.load(name)
        with tempfile.TemporaryDirectory() as folder:
            cache = uwe.TargetCache.build(model, labels, path=Path(folder) / "cache")
            found = uwe.rank_many(
                [*NAMED, *OTHERS],
                cache,
                k=FIRST,
                scorer=uwe.Scorer.parse(scorer) if scorer else None,
                abbreviations=False,  # the model is asked, not the table
            )
        firsts = [[match.label for match in matches] for matches in found]
        wanted = [{w.casefold() for w in names} for names in NAMED.values()]
        ranks = [
            next((i for i, label in enumerate(three) if label.casefold() in names), FIRST)
            for three, names in zip(firsts, wanted, strict=False)
        ]
        first, within = (sum(rank < k for rank in ranks) for k in (1, FIRST))
        ((hub, times),) = Counter(label for three in firsts for label in three).most_common(1)
        print(
            f"| {name} | `{scorer or model.config.scorer}` | {first} of {len(NAMED)} | {within} | "
            f"*{hub}*, {times} of {len(firsts)} |",
            flush=True,
        )
        if chosen.show:
            for query, three in zip([*NAMED, *OTHERS], firsts, strict=True):
                print(f"    {query}: {' | '.join(three)}")


if __name__ == "__main__":
    main()
