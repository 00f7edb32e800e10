"""The card of a trained model, written from what was measured: nothing in it is typed by hand."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from huggingface_hub import ModelCardData

from uwe.bench.results import Entry, Results, TaskRecord
from uwe.bench.tables import Figure, Table, markdown_rows
from uwe.encoder.config import ModelConfig
from uwe.errors import InputError
from uwe.graphs.builder import ADVERT_GRAPHS, GRAPHS, WRITTEN_GRAPHS

# What the graphs of `uwe data graphs` are made of.
_SOURCES = (
    "ESCO: “This service uses the ESCO classification of the European Commission.” Adapted.",
    (
        "O*NET: “This product includes information from the O*NET Database by the U.S. Department "
        "of Labor, Employment and Training Administration (USDOL/ETA), used under the CC BY 4.0 "
        "license. O*NET® is a trademark of USDOL/ETA.” Modified; USDOL/ETA has not approved, "
        "endorsed, or tested these modifications."
    ),
    "SkillSkape (training sentences): MIT.",
)
_TEXTS = "uwe written texts and uwe lexicon: CC BY 4.0. Written by a large language model."
_ADVERTS = "SkillSpan (training adverts; models answered which skills they ask for): MIT."
_BUILT = {*GRAPHS, *WRITTEN_GRAPHS, *ADVERT_GRAPHS}


Key = tuple[str, str, int]
"""A task with its split, a scorer, and how many aliases were targets too."""


def model_card(
    config: ModelConfig, fingerprint: str, results: Sequence[Results], *, shown: Sequence[str]
) -> str:
    """The text of a README.md, from what `uwe bench run` measured.

    The model's figures are those of `results` that have its fingerprint; those of other trained
    models on the same queries are taken for other seeds of the same recipe, a model each, and give
    the spread. `shown` has names of metrics, such as `MAP` and `RP@10`.
    """
    own = _of_model(results, fingerprint)
    if not own:
        raise InputError(
            f"expected results of the model {config.name} (fingerprint {fingerprint[:12]}), got "
            "none: run  uwe bench run --model FOLDER -o RESULT.json  with this folder"
        )
    others = {key: _other_seeds(results, fingerprint, task, key) for key, (_, task) in own.items()}
    parts = (_head(config), _figures(own, others, shown), _data(config), _use(config))
    return "\n".join(line for part in parts for line in part).rstrip() + "\n"


def _of_model(results: Sequence[Results], fingerprint: str) -> dict[Key, tuple[Entry, TaskRecord]]:
    """The latest figure of a model for each task and scorer."""
    return {
        (entry.task, entry.scorer, result.tasks[entry.task].aliases): (
            entry,
            result.tasks[entry.task],
        )
        for result in results
        for entry in result.entries
        if result.models[entry.model].fingerprint == fingerprint
    }


def _other_seeds(
    results: Sequence[Results], fingerprint: str, task: TaskRecord, key: Key
) -> list[Entry]:
    """The same figure of other trained models, one each, on the same queries."""
    prints = {model.fingerprint for r in results for model in r.models.values() if model.trained_on}
    found = (_of_model(results, other).get(key) for other in sorted(prints - {fingerprint}))
    return [
        entry
        for entry, record in filter(None, found)
        # Two samples of as many queries differ in their words.
        if (record.seals, record.query_words) == (task.seals, task.query_words)
    ]


def _head(config: ModelConfig) -> Iterator[str]:
    head = ModelCardData(
        language=config.language or None,
        license=config.licence.lower() or None,
        # A package of Python's is no model of the hub's.
        base_model=None if config.base_model.startswith("package:") else config.base_model or None,
        library_name="uwe",
        tags=["sentence-similarity", "late-interaction", "esco"],
    )
    yield from ("---", *head.to_yaml().splitlines(), "---")
    yield from ("", f"# {config.name}", "")
    yield (
        "Ranks skills, occupations and other labels of the labour market for a text, by token "
        f"vectors of {config.dim} dimensions and the scorer `{config.scorer}`. "
        f"{'Trained' if config.trained_on else 'Exported'} from "
        f"{config.base_model or 'another model'} by `uwe`. It reads texts of up to "
        f"{config.max_tokens} tokens in {_language(config)}; other languages are ranked badly, "
        "without an error."
    )
    yield ""


def _figures(
    own: Mapping[Key, tuple[Entry, TaskRecord]],
    others: Mapping[Key, Sequence[Entry]],
    shown: Sequence[str],
) -> Iterator[str]:
    yield from ("## Figures", "")
    yield (
        "Per cent, with 95 % bootstrap intervals over queries. *Clean*: no training edge comes "
        "from what made the task. *Held-out*: such edges were used, none of a tested item. "
        "*Seen*: the answers were in the training. Never compare across regimes."
    )
    yield ""
    spread = any(others.values())
    rows: list[tuple[str | Figure, ...]] = []
    for key, (entry, record) in sorted(own.items()):
        sample = f" of {record.available:,}" if record.queries < record.available else ""
        also = f" and {record.aliases:,} aliases" if record.aliases else ""
        row = [entry.task, f"{record.queries:,}{sample} × {record.targets:,}{also}"]
        row += [entry.scorer, entry.regime.name]
        figures = [_figure(entry, name) for name in shown]
        rows.append((*row, *figures, *([_seeds(others[key], shown)] if spread else [])))
    header = ("task", "queries × targets", "scorer", "regime", *shown)
    yield from markdown_rows(Table(header + (("other seeds",) if spread else ()), tuple(rows)))
    yield from ("", "What the audit counted:", "")
    reasons = {entry.task: entry.regime for _, (entry, _) in sorted(own.items())}
    for task, regime in reasons.items():
        yield f"- {task}: **{regime.name}**, {regime.reason}"
    yield ""


def _figure(entry: Entry, name: str) -> Figure:
    if name not in entry.metrics:
        raise InputError(
            f"expected the metric {name} of {entry.task}, which was not measured: pass --metric "
            "with one of " + ", ".join(entry.metrics)
        )
    return Figure(entry.metrics[name])


def _seeds(entries: Sequence[Entry], shown: Sequence[str]) -> str:
    """Each metric over other seeds: their mean and standard deviation, or the only one."""
    cells = []
    for name in shown:
        values = [100 * entry.metrics[name].mean for entry in entries if name in entry.metrics]
        if len(values) > 1:
            cells.append(f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}")
        elif values:
            cells.append(f"{values[0]:.1f}")
    return " / ".join(cells) + (f" ({len(entries)})" if cells else "")


def _data(config: ModelConfig) -> Iterator[str]:
    yield from ("## Data", "")
    if not config.trained_on:
        yield from ("Not trained by `uwe`.", "")
        return
    yield "By the sha256 of each file's unpacked content:"
    yield from ("", "| file | sha256 |", "|---|---|")
    for source in config.trained_on:
        yield f"| {source.name} | `{source.sha256}` |"
    yield ""
    names = {source.name.rpartition("/")[2].partition(".")[0] for source in config.trained_on}
    if made := sorted(names & _BUILT):
        yield from (
            f"{', '.join(made)}, if `uwe data graphs` made them, are adapted from these:",
            "",
        )
        yield from (f"- {line}" for line in _SOURCES)
        if names & set(WRITTEN_GRAPHS):
            yield f"- {_TEXTS}"
        if names & set(ADVERT_GRAPHS):
            yield f"- {_ADVERTS}"
        yield ""
    if own := sorted(names - {*_BUILT, "nodes"}):
        yield from (f"{', '.join(own)}: data of others, under terms that are not known here.", "")


def _use(config: ModelConfig) -> Iterator[str]:
    yield from ("## Use", "", "```python", "import uwe", "", 'model = uwe.load("FOLDER")')
    yield 'skills = uwe.TargetCache.build(model, ["Apache Spark", "pastry baking"], path="s.uwe")'
    yield from ('uwe.rank("data engineer", skills)', "```", "")
    if config.licence:
        yield f"Licence of the weights: {config.licence}."


def _language(config: ModelConfig) -> str:
    return "English" if config.language == "en" else config.language or "an undeclared language"
