"""Ablations: a recipe with one change at a time, the same seeds, validation splits.

    UWE_DATA=... python benches/ablations.py OUT [--recipe FILE] [--only NAME ...] [--seeds 0 1]
        [--set KEY=VALUE] [--enriched FOLDER] [--limit 500]

Each run trains as the recipe says but for its change and what `--set` gives; `without W` leaves a
graph out. What is in OUT already is not run again. The table has the unchanged recipe first, and
for every other row the difference to it over the same seeds and queries. The interval is that of
the mean of house, tech and jobnorm.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

import uwe
from uwe.bench.results import Entry, Results, read_results
from uwe.bench.statistics import bootstrap_mean
from uwe.model.encoder import TorchEncoder
from uwe.scorer import Scorer
from uwe.training.log import METRICS_FILE, read_metrics
from uwe.training.loop import train
from uwe.training.recipe import Recipe, read_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "uwe-mini-clean-plain.toml"
# Smaller than the recipe, so that a run takes minutes.
SIZE = ("graph.J.batch_size=128", "graph.N.batch_size=128", "optimizer.steps=260")
MEAN = ("skillextract_house/val", "skillextract_tech/val", "jobnorm/val")
TASKS = {  # by what the table calls them
    "house": MEAN[0],
    "tech": MEAN[1],
    "jobnorm": MEAN[2],
    "skillskape": "skillextract_skillskape/val",
    "job2tech": "onet_job2tech/val",
    "skillnorm": "skillnorm/val",
    "heldout job2skill": "heldout_job2skill/val",
    "heldout skill2job": "heldout_skill2job/val",
}


def through(*scorers: str) -> list[str]:
    weights = ", ".join(f'"{scorer}" = 1' for scorer in scorers)
    return [f"model.train_scorers={{{weights}}}"]


VARIANTS: dict[str, list[str]] = {
    "base": [],
    "loss through soft": through("soft:0.5"),
    "loss through soft_query": through("soft_query:0.5"),
    "loss through soft_target": through("soft_target:0.5"),
    "loss through pooled": through("pooled"),
    "no hard negatives": ["graph.*.hard_negatives=0"],
    "loss temperature 0.02": ["graph.*.loss_temperature=0.02"],
    "loss temperature 0.1": ["graph.*.loss_temperature=0.1"],
    "attention temperature 2": ["model.scorer=soft:2", *through("soft:2", "pooled")],
    "no augmentation": ["graph.*.augment={}"],
    "no padding": ["graph.*.padding=0"],
    "padding 0.8": ["graph.V.padding=0.8"],
    "enrichment": [],
    "weights as trained": ["optimizer.wise_ft_alpha=1"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Plain)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", type=Path, default=RECIPE)
    of_any = f"any of {', '.join(VARIANTS)}, without GRAPH"
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), help=of_any)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1])
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--enriched", help="below UWE_DATA: what  uwe enrich  made")
    parser.add_argument("--limit", type=int, default=500, help="queries a task")
    chosen = parser.parse_args()
    graphs = [graph.name for graph in read_recipe(chosen.recipe).graph]
    known = [*VARIANTS, *(f"without {graph}" for graph in graphs)]
    if unknown := set(chosen.only) - set(known):
        parser.error(f"--only: expected any of {', '.join(known)}, got {', '.join(unknown)}")
    size = [part for part in SIZE if part[:6] != "graph." or part.split(".")[1] in graphs]
    names = ["base", *(name for name in chosen.only if name != "base")]
    if not chosen.enriched and "enrichment" in names:
        print("left out: enrichment, which has nothing to work with", flush=True)
        names.remove("enrichment")
    for seed in chosen.seeds:  # all of one seed first: a table is there sooner
        for name in names:
            path = chosen.out / f"{name.replace(' ', '-')}-{seed}.json"
            fixed = ["validation.tasks=[]", "checkpoint_every=0", f"seed={seed}"]
            changes = [
                change.replace("*", graph)
                for change in (*size, *chosen.set, *VARIANTS.get(name, []), *fixed)
                for graph in (graphs if "*" in change else [""])
            ]
            recipe = read_recipe(chosen.recipe, changes=changes)
            if name == "enrichment":
                recipe = with_sentences(recipe, chosen.enriched)
            if name.startswith("without "):
                recipe = without(recipe, name.removeprefix("without "))
            run = path.with_suffix("")
            if run.exists() and read_recipe(run / "recipe.json") != recipe:
                raise SystemExit(f"{run} is of another recipe: name another OUT")
            if not path.exists():
                measured(recipe, run, chosen.limit).save(path)
            report(chosen.out, names, chosen.seeds)


class _Plain(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    pass


def with_sentences(recipe: Recipe, folder: str) -> Recipe:
    """The recipe with a graph of synthetic sentences beside V, and half as often."""
    document = recipe.to_dict()
    (real,) = (graph for graph in document["graph"] if graph["name"] == "V")
    added = {**real, "name": "VE", "folder": folder, "share": real["share"] / 2}
    return Recipe.from_dict({**document, "graph": [*document["graph"], added]})


def without(recipe: Recipe, graph: str) -> Recipe:
    """The recipe without a graph: as many steps, of the other ones."""
    kept = tuple(each for each in recipe.graph if each.name != graph)
    return msgspec.structs.replace(recipe, graph=kept)


def measured(recipe: Recipe, run: Path, limit: int) -> Results:
    """Train, and score what came out by several scorers."""
    done = train(recipe, out=run, progress=True, resume=run.exists())
    steps = read_metrics(run / METRICS_FILE)
    seconds = sum(entry["seconds"] for entry in steps if entry["kind"] == "train")
    print(f"{run.name}: trained in {seconds:.0f} s", flush=True)
    return scored(done.model, Scorer.parse(recipe.model.scorer), limit, seconds)


def scored(model: Path, scorer: Scorer, limit: int, seconds: float) -> Results:
    """Figures of a trained model; `seconds` are those of its training."""
    encoder = TorchEncoder.from_folder(model, scorer=scorer)
    results = uwe.evaluate(
        encoder,
        tasks=[key.partition("/")[0] for key in TASKS.values()],
        splits="val",
        scorer=list(dict.fromkeys([str(scorer), "soft_query:0.5", "pooled"])),
        metrics=("MAP", "RP@10"),
        limit=limit,
    )
    return replace(results, seconds=seconds)


def report(out: Path, names: Sequence[str], seeds: Sequence[int]) -> None:
    """Print the table of what is there."""
    found = {
        name: {
            seed: read_results(path)
            for seed in seeds
            if (path := out / f"{name.replace(' ', '-')}-{seed}.json").exists()
        }
        for name in names
    }
    columns = ["change", "seeds", "minutes", "ranked by", "mean (95 %)", *TASKS]
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for name, results in found.items():
        if not results:
            continue
        first = next(iter(results.values()))
        minutes = statistics.mean(r.seconds for r in results.values()) / 60
        for scorer in dict.fromkeys(entry.scorer for entry in first.entries):
            shared = [seed for seed in results if seed in found["base"]]
            cells = [name, str(len(results)), f"{minutes:.1f}", f"`{scorer}`"]
            if name == "base":
                whole = list(results.values())
                cells += [_figures(whole, scorer, MEAN)]
                cells += [_figures(whole, scorer, [key]) for key in TASKS.values()]
            else:
                pairs = [(found["base"][seed], results[seed]) for seed in shared]
                cells += [_difference(pairs, scorer, MEAN)]
                cells += [_difference(pairs, scorer, [key]) for key in TASKS.values()]
            print("| " + " | ".join(cells) + " |")
    print(flush=True)


def _entry(results: Results, scorer: str, task: str) -> Entry:
    named = [e for e in results.entries if e.task == task]
    exact = [e for e in named if e.scorer == scorer]
    # Another attention temperature is compared with the base's.
    return exact[0] if exact else next(e for e in named if e.scorer.startswith("soft:"))


def _figures(results: Sequence[Results], scorer: str, tasks: Sequence[str]) -> str:
    entries = [_entry(r, scorer, task) for r in results for task in tasks]
    means = (statistics.mean(e.metrics[m].mean for e in entries) for m in ("MAP", "RP@10"))
    return " / ".join(f"{100 * mean:.1f}" for mean in means)


def _difference(pairs: Sequence[tuple[Results, Results]], scorer: str, tasks: Sequence[str]) -> str:
    """Mean difference over seeds, with the interval over queries where several tasks are asked."""
    cells = []
    for metric in ("MAP", "RP@10"):
        each = []
        for task in tasks:
            by_seed = [
                _entry(new, scorer, task).values([metric])[0]
                - _entry(old, scorer, task).values([metric])[0]
                for old, new in pairs
            ]
            each.append(sum(by_seed) / len(by_seed))
        found = bootstrap_mean(each, seed=0)
        spread = f" ({100 * found.low:+.1f} to {100 * found.high:+.1f})" if len(tasks) > 1 else ""
        cells.append(f"{100 * found.mean:+.1f}{spread}")
    return " / ".join(cells)


if __name__ == "__main__":
    main()
