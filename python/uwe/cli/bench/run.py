"""`uwe bench run`: models on tasks, to a table and a result file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output
from uwe.cli.bench.options import Data, Models, Scorers, Splits, Tasks, check_out
from uwe.cli.guard import say
from uwe.errors import InputError

if TYPE_CHECKING:
    from uwe.bench.model import BenchModel
    from uwe.bench.results import Entry, Results

__all__ = ["print_results", "run_command"]


def run_command(
    model: Models = None,
    task: Tasks = None,
    split: Splits = None,
    scorer: Scorers = None,
    data: Data = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Where the result goes (JSON)."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="MAP, MRR, RP@k, nDCG@k, recall@k or hit@k; the default is MAP, RP@10 and "
            "nine others. MAP is always measured. Repeatable.",
        ),
    ] = None,
    aliases: Annotated[
        bool, typer.Option("--aliases", help="Score other texts of targets too, where there are.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="At most N queries a split: a quick look.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of that sample and of the bootstrap.")] = 0,
    runs: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="Write runs and judgements there, in TREC form and JSON lines."
        ),
    ] = None,
    depth: Annotated[int, typer.Option(help="Targets of each query in those runs.")] = 100,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress.")] = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Evaluate models on WorkBench: MAP and RP@10 with 95 % intervals, and their regimes.

    Example:
      uwe bench run --task skillextract_house --scorer pooled --scorer soft:0.5 -o result.json
      uwe bench run --model uwe-mini --model bm25 --limit 200
    """
    from uwe.bench.evaluation import evaluate
    from uwe.bench.results import METRICS

    check_out(out)
    kept = _Kept(out)
    try:
        for each, scorers in _models(model or ["uwe-mini"], scorer):
            one = evaluate(
                each,
                tasks=task or "all",
                splits=split or "all",
                data=data,
                scorer=scorers,
                metrics=metric or METRICS,
                aliases=aliases,
                limit=limit,
                seed=seed,
                runs=runs,
                depth=depth,
                progress=not quiet,
                keep=kept.save,
            )
            kept.add(one)
    except BaseException:
        if kept.saved:
            say(f"{kept.partial} has what was measured until then: {kept.saved} figures of MAP")
        raise
    found = kept.results
    assert found is not None
    if out is not None:
        found.save(out)
        kept.partial.unlink(missing_ok=True)
    if as_json:
        output.print_line(found.to_json().rstrip())
        return
    print_results(found)
    if out is not None:
        output.print_line(f"\n{out}: draw it with  uwe bench report {out} -o report.html")


class _Kept:
    """The results so far, in a file: an interruption loses the target space at hand alone."""

    def __init__(self, out: str | None) -> None:
        self._wanted = out is not None
        path = Path(out or "result.json")
        self.partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self.results: Results | None = None
        self.saved = 0

    def save(self, results: Results) -> None:
        """Write what was there and these, which another call replaces."""
        if self._wanted:
            whole = results if self.results is None else self.results.joined(results)
            whole.save(self.partial)
            self.saved = len(whole.entries)

    def add(self, results: Results) -> None:
        """Take the results of a model that is through."""
        self.save(results)
        self.results = results if self.results is None else self.results.joined(results)


def _models(
    sources: list[str], scorer: list[str] | None
) -> list[tuple[BenchModel, list[str] | None]]:
    """Each model with the scorers it takes; what is wrong with them is told before the work."""
    from uwe.bench.adapters.resolve import bench_model
    from uwe.bench.model import EncoderModel
    from uwe.bench.scoring import checked_scorings
    from uwe.loading import SHIPPED_MODEL

    if SHIPPED_MODEL in sources and Path(SHIPPED_MODEL).is_dir():
        say(f"{SHIPPED_MODEL} is the shipped model; the folder here is ./{SHIPPED_MODEL}")
    models = [bench_model(source) for source in sources]
    names = [each.name for each in models]
    if len(set(names)) != len(names):
        raise InputError(
            f"expected models of different names, got {', '.join(names)}: name each once, and "
            "rename one of two that are called alike, in its uwe.json or by its folder"
        )
    if not scorer:
        return [(each, None) for each in models]
    found: list[tuple[BenchModel, list[str] | None]] = []
    for each in models:
        if isinstance(each, EncoderModel) and not each.one_vector:
            checked_scorings(scorer, each.scorer)
            found.append((each, scorer))
        else:
            found.append((each, None))
    if not any(scorers for _, scorers in found):
        raise InputError("every model here has a way of scoring of its own: leave out --scorer")
    for each, scorers in found:
        if scorers is None:
            say(f"{each.name} has a way of scoring of its own: --scorer is for the other models")
    return found


def _columns(results: Results, entry: Entry, front: list[str]) -> tuple[str, ...]:
    """The metrics that a task is read by, or what was asked for where some were not measured."""
    from uwe.bench.tasks import TASKS

    name = results.tasks[entry.task].name
    shown = next((task.shown for task in TASKS if task.name == name), ())
    return shown if shown and set(shown) <= set(entry.metrics) else tuple(front)


def _row(results: Results, entry: Entry, columns: Sequence[str]) -> list[str]:
    task = results.tasks[entry.task]
    figures = [entry.metrics[name] for name in columns]
    return [
        entry.task,
        entry.model,
        entry.scorer or "-",
        entry.regime.name,
        f"{task.queries:,} x {task.targets:,}",
        *(f"{100 * i.mean:.1f} [{100 * i.low:.1f}, {100 * i.high:.1f}]" for i in figures),
    ]


def _print_figures(results: Results, front: list[str]) -> None:
    """A table for each choice of metrics."""
    tables: dict[tuple[str, ...], list[list[str]]] = {}
    for key in results.tasks:
        for entry in results.entries:
            if entry.task == key:
                columns = _columns(results, entry, front)
                tables.setdefault(columns, []).append(_row(results, entry, columns))
    for number, (columns, rows) in enumerate(tables.items()):
        if number:
            output.print_line("")
        header = ["task/split", "model", "scorer", "regime", "queries x targets", *columns]
        output.print_table(header, rows, right="567")


def print_results(results: Results) -> None:
    """The table, the means that are allowed, and whatever qualifies the figures."""
    from uwe.bench.means import means

    front = list(next(iter(results.entries)).metrics)[:2]
    _print_figures(results, front)
    for mean in means(results):
        figures = ", ".join(f"{name} {100 * mean.metrics[name]:.1f}" for name in front)
        output.print_line(f"{mean.label}, {mean.split}, {mean.regime}: {mean.title}: {figures}")
    output.print_line("")
    for key, task in results.tasks.items():
        remarks = [*task.deviations, *task.notes]
        if task.left_out:
            remarks.append(
                f"{task.left_out:,} queries have no relevant target: no mean counts them"
            )
        cut = max(entry.truncated for entry in results.entries if entry.task == key)
        if cut:
            remarks.append(
                f"{cut:,} queries are longer than a model reads: only the beginning counts"
            )
        remarks += [
            f"queries for which {entry.label} scores all targets the same, so that their order "
            f"ranks them: {entry.tied:,}"
            for entry in results.entries
            if entry.task == key and entry.tied
        ]
        if remarks:
            output.print_line(f"{key}: {'; '.join(remarks)}")
    reasons: dict[tuple[str, str, str], dict[str, None]] = {}
    for entry in results.entries:
        reason = (entry.model, entry.regime.name, entry.regime.reason)
        reasons.setdefault(reason, {})[entry.task] = None
    for (model, regime, why), keys in reasons.items():
        output.print_line(f"{model} is {regime} on {', '.join(keys)}: {why}")
    output.print_line(
        f"\n95 % intervals over queries; {results.seconds:.0f} s, at most "
        f"{results.peak_bytes / 1e9:.2f} GB of memory"
    )
