"""Skills asked of an endpoint: what the journal has is not asked, and a cap on tokens is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uwe.enrich.answer import Candidate, Unusable, candidates_of, parse_answer
from uwe.enrich.grounding import Grounding
from uwe.enrich.journal import Journal, request_key
from uwe.enrich.prompt import ALIASES, PROMPT_VERSION, TITLES, messages_for
from uwe.enrich.provider import Endpoint, RefusedError
from uwe.errors import InputError

__all__ = ["Asker", "Estimate", "estimate", "payload_for"]

_BYTES_PER_TOKEN = 3
"""English has about four: the estimate is meant to be high."""
_OVERHEAD = 20
"""Tokens that a chat adds around its messages."""
_REFUSALS = 3
"""Refusals before any answer, after which it is not the prompts that are refused."""


@dataclass(frozen=True)
class Estimate:
    """What a run costs at most, unless requests have to be repeated.

    Attributes:
        requests: Skills to be asked about.
        answered: How many of them the journal has.
        spent: Tokens that the journal has spent.
        tokens: Tokens that the others take at most.
    """

    requests: int
    answered: int
    spent: int
    tokens: int


class Asker:
    """The provider `llm`: an endpoint behind a journal and a cap.

    Attributes:
        endpoint: Where answers come from.
        journal: Where they are kept; open.
        sentences: How many sentences are asked for.
        seed: Sent with every request.
        token_cap: What all requests of the journal may cost together; None sets no cap.
    """

    name = "llm"
    version = PROMPT_VERSION

    def __init__(
        self,
        endpoint: Endpoint,
        journal: Journal,
        *,
        sentences: int,
        seed: int,
        token_cap: int | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.journal = journal
        self.sentences = sentences
        self.seed = seed
        self.token_cap = token_cap
        self._answered = False
        self._refused = 0

    @property
    def model(self) -> str:
        """Name of the model at the endpoint."""
        return self.endpoint.model

    def check(self, groundings: Sequence[Grounding]) -> Estimate:
        """What asking for all of these costs at most.

        Raises:
            InputError: If that is more than the cap leaves.
        """
        found = estimate(
            groundings,
            model=self.model,
            sentences=self.sentences,
            seed=self.seed,
            journal=self.journal,
        )
        if self.token_cap is not None and found.spent + found.tokens > self.token_cap:
            raise InputError(
                f"expected at most {self.token_cap:,} tokens, but {found.requests - found.answered}"
                f" requests may take {found.tokens:,} after the {found.spent:,} of the journal: "
                "raise token_cap (--token-cap), or take fewer skills (--skills)"
            )
        return found

    def candidates(self, grounding: Grounding) -> list[Candidate] | Unusable:
        """Candidates for a skill, from the journal or the endpoint.

        What the endpoint refuses for this skill alone is noted in the journal, and asked again by
        the next run.

        Raises:
            InputError: If the cap leaves no room for the request, or the endpoint refuses whatever
                it is asked.
            UnansweredError: If the endpoint gives no answer.
            OSError: If the journal can not be written.
        """
        payload = payload_for(grounding, sentences=self.sentences, seed=self.seed)
        key = _key(self.model, payload)
        answer = self.journal.answers.get(key)
        if answer is None:
            try:
                answer = self._ask(key, payload, grounding.skill.id)
            except RefusedError as error:
                self.journal.add_refused(key, grounding.skill.id, error.problem)
                self._refused += 1
                if self._refused >= _REFUSALS and not self._answered:
                    raise
                return "refused"
        self._answered = True
        parsed = parse_answer(answer)
        if parsed is None:
            return "schema"
        most = {"sentences": self.sentences, "aliases": ALIASES, "titles": TITLES}
        return candidates_of(parsed, grounding, key, most=most)

    def _ask(self, key: str, payload: Mapping[str, Any], skill: str) -> str:
        most = _tokens(payload)

        def lost() -> None:
            self.journal.add_lost(key, most)
            self._check_room(most)

        self._check_room(most)
        done = self.endpoint.complete(payload, lost=lost)
        tokens = most if done.tokens is None else done.tokens
        self.journal.add(
            key, done.text, model=self.model, version=PROMPT_VERSION, skill=skill, tokens=tokens
        )
        return done.text

    def _check_room(self, most: int) -> None:
        """InputError if the next attempt may exceed the cap."""
        if self.token_cap is not None and self.journal.tokens + most > self.token_cap:
            raise InputError(
                f"expected at most {self.token_cap:,} tokens, {self.journal.tokens:,} are spent "
                f"and the next attempt may take {most:,}: raise token_cap (--token-cap); "
                f"{self.journal.path} has all answers until now"
            )


def payload_for(grounding: Grounding, *, sentences: int, seed: int) -> dict[str, Any]:
    """The request for a skill, without the model."""
    return {
        "messages": messages_for(grounding, sentences=sentences),
        "max_tokens": 80 * sentences + 200,
        "seed": seed,
    }


def estimate(
    groundings: Sequence[Grounding],
    *,
    model: str,
    sentences: int,
    seed: int,
    journal: Journal | None = None,
) -> Estimate:
    """What asking a model for skills costs at most, before anything is asked.

    A token is taken as three bytes of a prompt, and every answer as long as it may be.

    Args:
        groundings: Of the skills.
        model: Its name, by which the journal knows its answers.
        sentences: How many are asked for, of each.
        seed: Of the requests.
        journal: What was answered before.
    """
    payloads = [payload_for(each, sentences=sentences, seed=seed) for each in groundings]
    known = {} if journal is None else journal.answers
    open_ = [payload for payload in payloads if _key(model, payload) not in known]
    return Estimate(
        requests=len(payloads),
        answered=len(payloads) - len(open_),
        spent=0 if journal is None else journal.tokens,
        tokens=sum(map(_tokens, open_)),
    )


def _key(model: str, payload: Mapping[str, Any]) -> str:
    return request_key({"model": model, "prompt_version": PROMPT_VERSION, **payload})


def _tokens(payload: Mapping[str, Any]) -> int:
    """Tokens of a request and its answer, at most."""
    text = json.dumps(payload["messages"], ensure_ascii=False)
    prompt = -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
    return prompt + _OVERHEAD + int(payload["max_tokens"])
