"""Rank, extract and explain against named target spaces; queries that wait are encoded together.

It knows no HTTP: `app` and `mcp` call it, from one event loop.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from uwe.cache.target_cache import TargetCache
from uwe.encoder.text_encoder import TextEncoder
from uwe.encoder.truncation import Truncations, TruncationWarning, gathered
from uwe.explanation import explain, explain_many
from uwe.extraction.extract import extract_stream
from uwe.language import LANGUAGES, LanguageWarning
from uwe.ranking.foreign import unread_language
from uwe.ranking.rank import rank_stream
from uwe.service.lane import Lane
from uwe.service.requests import MOST_WITH_WORDS, ExplainRequest, ExtractRequest, RankRequest
from uwe.service.spaces import Spaces, UnknownNameError

_TOGETHER = 64
"""Queries of a batch: as many as keep two cores busy."""
_MOST_WAITING_TEXTS = 64
_MATCHES_TOGETHER = 10_000
"""Matches that are ranked before anyone looks whether they are still waited for."""


class Engine:
    """Answers requests, a batch at a time.

    Short jobs (ranking, explaining) and long ones (extracting) have a thread each, so that a title
    never waits for an advert. What the library warns of stands in the answers: its warnings of
    languages and of cut texts are switched off in the process.

    If more than `most_waiting` queries wait, `lane.FullError` is raised. `on_batch` is told the
    number of queries of each batch, `on_waiting` an operation and how many queries or texts wait
    for it.
    """

    def __init__(
        self,
        spaces: Spaces,
        *,
        most_waiting: int = 1000,
        on_batch: Callable[[int], None] = lambda _: None,
        on_waiting: Callable[[str, int], None] = lambda *_: None,
    ) -> None:
        self.spaces = spaces
        self._ranking: Lane[str, str, dict[str, Any]] = Lane(
            self._rank,
            together=_TOGETHER,
            waiting=most_waiting,
            on_batch=on_batch,
            on_waiting=partial(on_waiting, "rank"),
        )
        self._explaining: Lane[None, ExplainRequest, dict[str, Any]] = Lane(
            self._explain,
            together=1,
            waiting=most_waiting,
            on_waiting=partial(on_waiting, "explain"),
        )
        self._extracting: Lane[str, str, dict[str, Any]] = Lane(
            self._extract,
            together=8,
            waiting=_MOST_WAITING_TEXTS,
            on_waiting=partial(on_waiting, "extract"),
        )
        warnings.filterwarnings("ignore", category=LanguageWarning)
        warnings.filterwarnings("ignore", category=TruncationWarning)

    async def rank(self, request: RankRequest) -> dict[str, Any]:
        """The answer, as `requests.Ranked` has it."""
        space = self.spaces.name_of(request.targets)
        words = MOST_WITH_WORDS // len(request.texts) if request.words else 0
        asked = _asked(request, {"query", "queries"}, space=space, words=words)
        return {"targets": space, "rankings": await self._ranking.submit(asked, request.texts)}

    async def extract(self, request: ExtractRequest) -> dict[str, Any]:
        """The answer, as `requests.Extracted` has it."""
        space = self.spaces.name_of(request.targets)
        asked = _asked(request, {"text", "texts", "words"}, space=space)
        found = await self._extracting.submit(asked, request.documents)
        return {"targets": space, "extractions": found}

    async def explain(self, request: ExplainRequest) -> dict[str, Any]:
        """The answer, as `requests.Explained` has it."""
        self.spaces.name_of(request.targets)
        (explained,) = await self._explaining.submit(None, [request])
        return explained

    async def descriptions(self) -> list[dict[str, Any]]:
        """What there is to know of each space, as `requests.Space` has it."""
        # Not on the event loop: a space that was built again is opened.
        return await asyncio.to_thread(self.spaces.descriptions)

    async def stop(self) -> None:
        """Take nothing more; return when all that was taken is answered."""
        for lane in (self._ranking, self._explaining, self._extracting):
            await lane.stop()

    # On the threads of the lanes.

    def _rank(self, asked: str, queries: list[str]) -> Iterator[dict[str, Any]]:
        cache, settings = self._restricted(asked)
        words, block = settings.pop("words"), min(_TOGETHER, _MATCHES_TOGETHER // settings["k"])
        cuts = Truncations("queries")
        with gathered(cuts):
            for number, ranking in enumerate(rank_stream(queries, cache, block=block, **settings)):
                found = [match.to_dict() for match in ranking]
                if words:
                    with gathered(Truncations(), apart=True):
                        reasons = explain_many(
                            ranking.query,
                            cache,
                            ranking[:words],
                            abbreviations=settings["abbreviations"],
                        )
                    for match, reason in zip(found, reasons, strict=False):
                        match["words"] = [
                            {"text": word.text, "share": word.share}
                            for word in reason.top(len(reason.query_words))
                        ]
                yield {
                    "query": ranking.query,
                    "language": _language(ranking.query, cache.model),
                    "truncated": number in cuts.cut,
                    "matches": found,
                }

    def _extract(self, asked: str, texts: list[str]) -> Iterator[dict[str, Any]]:
        cache, settings = self._restricted(asked)
        for found in extract_stream(texts, cache, **settings):
            yield {**found.to_dict(), "language": _name(found.language)}

    def _explain(self, _: None, requests: list[ExplainRequest]) -> Iterator[dict[str, Any]]:
        for request in requests:
            cache = self.spaces.cache(request.targets)
            yield explain(
                request.query, cache, request.target, abbreviations=request.abbreviations
            ).to_dict()

    def _restricted(self, asked: str) -> tuple[TargetCache, dict[str, Any]]:
        """The cache of a space, and settings whose filter names columns of it."""
        settings = json.loads(asked)
        space = settings.pop("space")
        cache = self.spaces.cache(space)
        for column in settings["where"] or ():
            if column not in cache.columns:
                raise UnknownNameError(
                    f"expected where to name metadata columns of {space} "
                    f"({', '.join(cache.columns) or 'it has none'}), got {column[:80]!r}: correct "
                    "it"
                )
        return cache, settings


def _asked(request: RankRequest | ExtractRequest, texts: set[str], **others: Any) -> str:
    """What requests that run together have in common, as text: it can be compared and hashed."""
    settings = request.model_dump(exclude={"targets", *texts})
    return json.dumps({**settings, **others}, sort_keys=True)


def _language(text: str, model: object) -> str | None:
    return _name(unread_language(text, model)) if isinstance(model, TextEncoder) else None


def _name(tag: str | None) -> str | None:
    return None if tag is None else LANGUAGES.get(tag, "another language")
