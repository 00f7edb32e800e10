"""`uwe enrich`: synthetic sentences, aliases and titles for rare skills."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.checks import positive, real_path
from uwe.cli import arguments, output
from uwe.cli.guard import say
from uwe.errors import InputError

if TYPE_CHECKING:
    from uwe.enrich.enrichment import Enrichable, Enriched
    from uwe.enrich.llm import LLM


def enrich_command(
    graphs: Annotated[str, typer.Argument(help="A folder of training graphs.")],
    out: Annotated[
        str,
        typer.Option(
            "--out", "-o", metavar="FOLDER",
            help="The folder to write; an earlier enrichment there is replaced.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The data folder, with esco/<version>/ and workbench/; the default is $UWE_DATA.",
        ),
    ] = None,
    skills: Annotated[int, typer.Option(metavar="N", help="How many rare skills at most.")] = 200,
    max_degree: Annotated[
        int,
        typer.Option(
            metavar="D", help="A rare skill has at most D sentences, its description not counted."
        ),
    ] = 2,
    only: Annotated[
        str,
        typer.Option(metavar="PREFIX", help="Only skills whose id begins so: skill/ is ESCO's."),
    ] = "",
    per_skill: Annotated[int, typer.Option(metavar="N", help="Sentences of each skill.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the choice among equals, and of requests.")] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Model folder or hub id for the round trip; the default is the shipped one.",
        ),
    ] = None,
    no_round_trip: Annotated[
        bool, typer.Option("--no-round-trip", help="Ask no model whether it finds the skill.")
    ] = False,
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where answers are kept; the default is OUT.journal.jsonl. What it has is not "
            "asked again.",
        ),
    ] = None,
    token_cap: Annotated[
        int, typer.Option(metavar="N", help="What all requests of a journal may cost together.")
    ] = 1_000_000,
    timeout: Annotated[
        float, typer.Option(help="Seconds that an answer may take; then it is asked for again.")
    ] = 120.0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Ask and write nothing: print what it may cost, and one prompt."
        ),
    ] = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Have a language model write sentences, aliases and titles for skills that graphs cover badly.

    It is any OpenAI-compatible endpoint, named by the environment: UWE_LLM_URL, UWE_LLM_MODEL,
    UWE_LLM_KEY. Every text is checked: its language and length, that it copies neither its
    grounding nor a sentence of WorkBench, and that the model ranks the skill among the first 50.

    Examples:
      uwe enrich data/train -o data/enriched --only skill/ --dry-run
      uwe enrich data/train -o data/enriched --only skill/ --token-cap 300000
    """
    from uwe.data.layout import data_folder
    from uwe.encoder.loading import load
    from uwe.enrich.enrichment import check_out, enrich, read_enrichable

    check_out(Path(out), Path(graphs))
    if journal is not None and real_path(journal).is_relative_to(real_path(out)):
        raise InputError(
            f"{journal}: expected a journal outside {out}, which is replaced: name another"
        )
    kept = Path(journal or f"{Path(out)}.journal.jsonl")
    sentences, token_cap = positive("per_skill", per_skill), positive("token_cap", token_cap)
    material = read_enrichable(
        graphs, data_folder(data), skills=skills, max_degree=max_degree, prefix=only, seed=seed
    )
    if dry_run:
        _print_plan(material, kept, sentences, seed, token_cap, as_json=as_json)
        return
    ranker = None if no_round_trip else load() if model is None else load(model)
    settings = {
        "sentences": sentences, "seed": seed, "token_cap": token_cap, "timeout": timeout,
    }  # fmt: skip
    with _llm(material, kept, settings) as llm:
        done = enrich(material, out, llm, model=ranker, progress=True)
    if as_json:
        output.print_json({**vars(done), "folder": str(done.folder)}, indent=2)
        return
    _print_result(done)


@contextmanager
def _llm(material: Enrichable, path: Path, settings: dict[str, Any]) -> Iterator[LLM]:
    """The language model; whatever ends the run, its journal is told of."""
    from uwe.enrich.journal import Journal
    from uwe.enrich.llm import LLM, read_endpoint

    endpoint = read_endpoint()
    with Journal(path) as journal:
        llm = LLM(journal, *endpoint, **settings)
        plan = llm.check(material.groundings)
        say(
            f"{plan.requests - plan.answered} requests, at most {plan.tokens:,} tokens; "
            f"{plan.answered} are answered in {path}"
        )
        try:
            yield llm
        except BaseException:
            if journal.answers:
                say(
                    f"{path} has {len(journal.answers)} answers: the same command goes on from "
                    "there, and pays for none of them again"
                )
            raise


def _print_plan(
    material: Enrichable, path: Path, sentences: int, seed: int, token_cap: int, *, as_json: bool
) -> None:
    """What a run would ask and cost, and its first prompt."""
    from uwe.enrich.journal import Journal
    from uwe.enrich.llm import MODEL, estimate
    from uwe.enrich.prompt import messages_for

    first = material.groundings[0]
    model = os.environ.get(MODEL, "").strip()
    with Journal(path) if path.exists() else nullcontext() as journal:
        found = estimate(material.groundings, model, journal, sentences=sentences, seed=seed)
    messages = messages_for(first, sentences=sentences)
    plan = {"skills": len(material.groundings), **vars(found), "token_cap": token_cap}
    if as_json:
        output.print_json({**plan, "skill": first.skill.text, "messages": messages}, indent=2)
        return
    for name, value in plan.items():
        output.print_line(f"{name.replace('_', ' ')}: {value:,}")
    for message in messages:
        output.print_line(f"\n{message['role']}:\n{message['content']}")


def _print_result(done: Enriched) -> None:
    output.print_line(f"{done.folder}: {done.covered:,} of {done.skills:,} skills")
    rows = [["accepted", kind, f"{number:,}"] for kind, number in sorted(done.texts.items())]
    rows += [["edges", graph, f"{number:,}"] for graph, number in done.edges.items()]
    rows += [["rejected", why, f"{number:,}"] for why, number in done.rejected.most_common()]
    output.print_table(["", "", "number"], rows, right="2")
    if done.queries:
        splits = ", ".join(done.queries)
        output.print_line(f"compared with {sum(done.queries.values()):,} queries of {splits}")
    else:
        output.print_line(
            "compared with no benchmark: the data folder has no workbench/ (uwe data import)"
        )
