"""Queries in a language that the model does not read: counted over a call, warned of once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from uwe.cache.target_cache import TargetCache
from uwe.encoder.text_encoder import TextEncoder
from uwe.encoder.truncation import warn_caller
from uwe.language import LANGUAGES, LanguageWarning, foreign
from uwe.ranking.readings import plain

_LEAST = 0.02
"""Share of the queries that has to be foreign: a guess is wrong about one English title in 400."""


class ForeignQueries:
    """Counts the queries in a language that the model of `targets` does not read.

    Queries to a model that does not say that it reads English are not looked at.
    """

    def __init__(self, targets: TargetCache) -> None:
        self._targets = targets
        self._queries = 0
        self._first = ""
        self._found: Counter[str] = Counter()
        self._warned = False

    def add(self, queries: Sequence[str]) -> None:
        """Look at the next queries, which are checked."""
        model = self._targets.model
        if self._warned or not isinstance(model, TextEncoder):
            return
        for query in queries:
            tag = unread_language(query, model)
            if tag is not None:
                shown = repr(query if len(query) <= 40 else query[:37] + "...")
                self._first = self._first or f"query {self._queries} ({shown})"
                self._found[LANGUAGES.get(tag, "another language")] += 1
            self._queries += 1

    def warn(self) -> None:
        """Warn of those that there were so far, at most once, if they are more than a few."""
        count = self._found.total()
        if self._warned or not count or count < _LEAST * self._queries:
            return
        self._warned = True
        more = f" and {count - 1} more of {self._queries} queries" if count > 1 else ""
        languages = " or ".join(name for name, _ in self._found.most_common(3))
        warn_caller(
            LanguageWarning(
                f"{self._first}{more}: seems to be in {languages}, which the model does not read: "
                "translate, or use another model"
            )
        )


def unread_language(text: str, model: TextEncoder) -> str | None:
    """The language of a text that is surely not English, unless the model reads that too."""
    read = {tag.strip().partition("-")[0].lower() for tag in model.config.language.split(",")}
    tag = foreign(plain(text), model.has_word) if "en" in read else None
    return None if tag in read else tag
