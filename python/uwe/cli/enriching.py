"""`uwe enrich`: synthetic sentences, aliases and titles for rare skills."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from uwe.checks import positive
from uwe.cli import arguments, output
from uwe.cli.guard import say
from uwe.errors import InputError

if TYPE_CHECKING:
    from uwe.enrich.answer import Provider
    from uwe.enrich.enrichment import Enrichable, Enriched
    from uwe.enrich.offline import OfflineWriter

__all__ = ["enrich_command"]

PROVIDERS = ("offline", "openai")


def enrich_command(
    graphs: Annotated[str, typer.Argument(help="A folder of training graphs.")],
    out: Annotated[
        str, typer.Argument(help="The folder to write; an earlier enrichment there is replaced.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The data folder, with esco/<version>/ and workbench/; the default is $UWE_DATA.",
        ),
    ] = None,
    provider: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="offline: by rule, without a model. openai: any OpenAI-compatible endpoint, named "
            "by the environment: UWE_LLM_URL, UWE_LLM_MODEL, UWE_LLM_KEY.",
        ),
    ] = "offline",
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
    seed: Annotated[int, typer.Option(help="Of the choice among equals, and of the texts.")] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Model folder or hub id for the round trip; the default is the shipped one.",
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option(metavar="K", help="The model must rank the skill among the first K.")
    ] = 50,
    no_round_trip: Annotated[
        bool, typer.Option("--no-round-trip", help="Ask no model whether it finds the skill.")
    ] = False,
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Where requests and answers are kept (openai); the default is OUT.journal.jsonl. "
            "What it has is not asked again.",
        ),
    ] = None,
    token_cap: Annotated[
        int, typer.Option(metavar="N", help="What all requests of a journal may cost together.")
    ] = 1_000_000,
    requests_per_minute: Annotated[
        float | None, typer.Option(metavar="N", help="At most so many requests a minute.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one request may take.")] = 120.0,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Ask and write nothing: print what it may cost, and one prompt."
        ),
    ] = False,
    as_json: arguments.AsJson = False,
) -> None:  # fmt: skip
    """Write synthetic sentences, aliases and job titles for skills that graphs cover badly.

    Every text is checked: its language and length, that it copies neither its grounding nor a
    sentence of WorkBench, and that the model ranks the skill among the first K for it.

    Examples:
      uwe enrich data/train data/enriched --skills 2000 --only skill/
      uwe enrich data/train data/enriched --provider openai --dry-run
      uwe enrich data/train data/enriched --provider openai --token-cap 300000
    """
    from uwe.data.layout import data_folder
    from uwe.enrich.enrichment import enrich, read_enrichable
    from uwe.enrich.files import check_out
    from uwe.loading import load

    if provider not in PROVIDERS:
        wanted = " or ".join(PROVIDERS)
        raise InputError(f"expected --provider {wanted}, got {provider!r}: correct it")
    if journal is not None and provider == "offline":
        raise typer.BadParameter("--journal is for --provider openai: leave it out")
    check_out(Path(out), Path(graphs))
    if journal is not None and Path(journal).resolve().is_relative_to(Path(out).resolve()):
        raise InputError(
            f"{journal}: expected a journal outside {out}, which is replaced: name another"
        )
    material = read_enrichable(
        graphs, data_folder(data), skills=skills, max_degree=max_degree, prefix=only, seed=seed
    )
    settings = _Settings(
        online=provider == "openai",
        sentences=positive("per_skill", per_skill),
        seed=seed,
        journal=Path(journal or f"{Path(out)}.journal.jsonl"),
        token_cap=positive("token_cap", token_cap),
        requests_per_minute=requests_per_minute,
        timeout=timeout,
    )
    if dry_run:
        _print_plan(material, settings, as_json=as_json)
        return
    ranker = None if no_round_trip else load() if model is None else load(model)
    counted = output.counting("skills", alone=False)
    with _writer(material, settings) as writer, counted as progress:
        done = enrich(material, out, writer, model=ranker, k=top_k, progress=progress)
    if as_json:
        output.print_json({**vars(done), "folder": str(done.folder)}, indent=2)
        return
    _print_result(done)


@dataclass(frozen=True)
class _Settings:
    """What writers are made with."""

    online: bool
    sentences: int
    seed: int
    journal: Path
    token_cap: int
    requests_per_minute: float | None
    timeout: float


@contextmanager
def _writer(material: Enrichable, settings: _Settings) -> Iterator[Provider]:
    """The provider; whatever ends a run that asks an endpoint, its journal is told of."""
    if not settings.online:
        yield _offline(material, settings)
        return
    from uwe.enrich.asking import Asker
    from uwe.enrich.journal import Journal
    from uwe.enrich.provider import Endpoint

    endpoint = Endpoint.from_environment(
        timeout=settings.timeout, requests_per_minute=settings.requests_per_minute
    )
    with Journal(settings.journal) as journal:
        writer = Asker(
            endpoint,
            journal,
            sentences=settings.sentences,
            seed=settings.seed,
            token_cap=settings.token_cap,
        )
        plan = writer.check(material.groundings)
        say(
            f"{plan.requests - plan.answered} requests, at most {plan.tokens:,} tokens; "
            f"{plan.answered} are answered in {settings.journal}"
        )
        try:
            yield writer
        except BaseException:
            if journal.answers:
                say(
                    f"{settings.journal} has {len(journal.answers)} answers: the same command goes "
                    "on from there, and pays for none of them again"
                )
            raise


def _offline(material: Enrichable, settings: _Settings) -> OfflineWriter:
    from uwe.enrich.offline import OfflineWriter

    background = material.background
    return OfflineWriter(
        background.verbs(), background.kinds, sentences=settings.sentences, seed=settings.seed
    )


def _print_plan(material: Enrichable, settings: _Settings, *, as_json: bool) -> None:
    """What a run would ask and cost, and its first prompt; by rule, its first texts."""
    first = material.groundings[0]
    plan: dict[str, Any] = {"skills": len(material.groundings)}
    if settings.online:
        from uwe.enrich.asking import estimate, payload_for
        from uwe.enrich.journal import Journal
        from uwe.enrich.provider import MODEL

        sentences, seed = settings.sentences, settings.seed
        with Journal(settings.journal) if settings.journal.exists() else nullcontext() as journal:
            found = estimate(
                material.groundings,
                model=os.environ.get(MODEL, "").strip(),
                sentences=sentences,
                seed=seed,
                journal=journal,
            )
        plan |= vars(found) | {"token_cap": settings.token_cap}
        messages = payload_for(first, sentences=sentences, seed=seed)["messages"]
        example = [f"{message['role']}:\n{message['content']}" for message in messages]
    else:
        example = [each.text for each in _offline(material, settings).candidates(first)]
    if as_json:
        output.print_json({**plan, "skill": first.skill.text, "example": example}, indent=2)
        return
    for name, value in plan.items():
        output.print_line(f"{name.replace('_', ' ')}: {value:,}")
    output.print_line(f"\n{first.skill.text}\n")
    for part in example:
        output.print_line(part)


def _print_result(done: Enriched) -> None:
    from uwe.enrich.answer import LISTS

    output.print_line(f"{done.folder}: {done.covered:,} of {done.skills:,} skills")
    rows = [
        ["accepted", name, f"{done.texts[kind]:,}"]
        for name, kind in LISTS.items()
        if kind in done.texts
    ]
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
