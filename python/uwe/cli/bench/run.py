"""`uwe bench run`: models on tasks, to a table and a result file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uwe.cli import arguments, output
from uwe.cli.bench.options import Models, Result, Scorers, Splits, Tasks, check_out
from uwe.cli.guard import say
from uwe.errors import InputError

if TYPE_CHECKING:
    from uwe.bench.model import BenchModel
    from uwe.bench.results import Results


def run_command(
    model: Models = None,
    task: Tasks = None,
    split: Splits = None,
    scorer: Scorers = None,
    data: arguments.Data = None,
    out: Result = None,
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
      uwe bench run --task probes --split typo --split typo-clean
    """
    from uwe.bench.evaluation import evaluate
    from uwe.bench.results import METRICS

    tasks = list(map(Path, task or ()))
    check_out(out, *tasks, *(file for each in tasks for file in each.glob("*.gz")))
    kept = _Kept(out, quiet=quiet)
    try:
        for each, scorers in _models(model or ["uwe-mini"], scorer):
            evaluate(
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
            kept.model_is_through()
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
        output.print_line(f"\n{out}: show it with  uwe bench report {out} -o report.html")


class _Kept:
    """The results so far, in a file: an interruption loses the target space at hand alone."""

    def __init__(self, out: str | None, *, quiet: bool) -> None:
        self._wanted, self._quiet = out is not None, quiet
        path = Path(out or "result.json")
        self.partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        self._before: Results | None = None  # of the models that are through
        self.results: Results | None = None
        self._told = self.saved = 0

    def save(self, results: Results) -> None:
        """Tell what is new, and write what was there and these, which another call replaces."""
        self.results = results if self._before is None else self._before.joined(results)
        if not self._quiet:
            for entry in self.results.entries[self._told :]:
                figures = [f"{n} {100 * i.mean:.1f}" for n, i in list(entry.metrics.items())[:2]]
                say(f"{entry.label}, {entry.task}: {', '.join(figures)}")
        self._told = len(self.results.entries)
        if self._wanted:
            self.results.save(self.partial)
            self.saved = self._told

    def model_is_through(self) -> None:
        """Later results are of another model."""
        self._before = self.results


def _models(
    sources: list[str], scorer: list[str] | None
) -> list[tuple[BenchModel, list[str] | None]]:
    """Each model with the scorers it takes; what is wrong with them is told before the work."""
    from uwe.bench.adapters.resolve import bench_model
    from uwe.bench.model import EncoderModel, checked_scorings
    from uwe.encoder.loading import SHIPPED_MODEL

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
    own = [each.name for each in models if not isinstance(each, EncoderModel) or each.one_vector]
    if len(own) == len(models):
        raise InputError("every model here has a way of scoring of its own: leave out --scorer")
    for each in models:
        if each.name in own:
            say(f"{each.name} has a way of scoring of its own: --scorer is for the other models")
        elif isinstance(each, EncoderModel):
            checked_scorings(scorer, each.scorer)
    return [(each, None if each.name in own else scorer) for each in models]


def print_results(results: Results) -> None:
    """The sections of a report that a terminal shows too."""
    from uwe.bench.report import summary
    from uwe.bench.tables import Table

    for section in summary(results):
        if section.title != "Figures":
            output.print_line(f"\n{section.title}")
        for number, block in enumerate(section.blocks):
            if isinstance(block, Table):
                if number:
                    output.print_line("")
                output.print_line(str(block))
            elif isinstance(block, list):
                for item in block:
                    output.print_line(f"- {item}")
            else:
                output.print_line(str(block))
    output.print_line(
        f"\n95 % intervals over queries; {results.seconds:.0f} s, at most "
        f"{results.peak_bytes / 1e9:.2f} GB of memory"
    )
