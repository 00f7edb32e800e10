"""A language model behind any OpenAI-compatible endpoint, asked once for each skill.

The client library retries, waits and times out. What the journal has is not asked, and what all
requests of a journal cost together stays below a cap.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

from uwe.enrich.grounding import Grounding
from uwe.enrich.hiding import Hider
from uwe.enrich.journal import Journal
from uwe.enrich.prompt import PROMPT_VERSION, Candidate, messages_for, parse_answer
from uwe.errors import InputError, extra, shown

if TYPE_CHECKING:
    import httpx2
    import openai


URL, KEY, MODEL = "UWE_LLM_URL", "UWE_LLM_KEY", "UWE_LLM_MODEL"
Unusable = Literal["schema", "refused"]
"""Why an answer has no candidates: it does not keep to the schema, or there is none."""

_ATTEMPTS = 6
_PATH = "/chat/completions"
_LIMIT, _NEWER_LIMIT = "max_tokens", "max_completion_tokens"
_LATER = (408, 409, 425, 429)
"""Statuses, beside those from 500, that a later attempt may not get."""
_GATEWAYS = (408, 502, 504, 524)
"""Statuses of something in between that gave up waiting for a model, which may go on and charge."""
_OF_ONE_REQUEST = (400, 413, 422)
"""Statuses that may be about one prompt alone: too long, or stopped by a filter."""
_REFUSALS = 3
"""Refusals before any answer, after which it is not the prompts that are refused."""
_BYTES_PER_TOKEN = 3
"""English has about four: the estimate is meant to be high."""
_OVERHEAD = 20
"""Tokens that a chat adds around its messages."""


@dataclass(frozen=True)
class Estimate:
    """What a run costs at most, unless requests have to be repeated."""

    requests: int  # skills to be asked about
    answered: int  # how many of them the journal has
    spent: int  # tokens that the journal has spent
    tokens: int  # tokens that the others take at most


class LLM:
    """A language model that writes texts for skills.

    Args:
        journal: Where answers are kept; open.
        url: Base URL of its endpoint, such as `https://api.openai.com/v1`.
        model: Its name there.
        key: The endpoint's key, or an empty text for one that asks for none. It is sent as a
            header, and is in no message and no entry of the journal.
        sentences: How many sentences are asked for.
        seed: Sent with every request.
        token_cap: What all requests of the journal may cost together; None sets no cap.
        timeout: Seconds that an answer may take, however steadily it comes; then it is asked for
            again.
    """

    def __init__(
        self,
        journal: Journal,
        url: str,
        model: str,
        key: str = "",
        *,
        sentences: int = 8,
        seed: int = 0,
        token_cap: int | None = None,
        timeout: float = 120.0,
    ) -> None:
        if not _is_address(url):
            # Not shown: it may have a key in it.
            raise InputError(
                f"expected {URL} as http:// or https:// and a host, without a user or key in it, "
                "got something else: correct it"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise InputError(
                f"expected {KEY} in printable ASCII without blanks, got something else: correct it"
            )
        if not timeout > 0:
            raise InputError(f"expected timeout above 0, got {shown(timeout)}: correct it")
        self.url = url
        self.model = model
        self.journal = journal
        self.sentences = sentences
        self.seed = seed
        self.token_cap = token_cap
        self._hider = Hider(key)
        self._client = _client(url, key, timeout, self._lost)
        self._limit = _LIMIT
        self._asked = ("", 0)
        self._answered = False
        self._refused = 0

    def check(self, groundings: Sequence[Grounding]) -> Estimate:
        """What asking for all of these costs at most; InputError if the cap leaves less."""
        found = estimate(
            groundings, self.model, self.journal, sentences=self.sentences, seed=self.seed
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
        the next run. What it refuses whatever it is asked is an InputError; no answer in all
        attempts is a ConnectionError.
        """
        payload = _payload(grounding, self.sentences, self.seed)
        key = _key(self.model, payload)
        answer = self.journal.answers.get(key)
        if answer is None:
            answer = self._ask(key, payload, grounding.skill.id)
            if answer is None:
                return "refused"
        self._answered = True
        found = parse_answer(answer, grounding, key, sentences=self.sentences)
        return "schema" if found is None else found

    def _ask(self, key: str, payload: Mapping[str, Any], skill: str) -> str | None:
        """The answer, which the journal has by then; None if it is refused for this skill."""
        import openai

        most = _tokens(payload)
        self._asked = (key, most)
        try:
            done = self._complete(payload, most)
        except openai.APIStatusError as error:
            code, problem = error.status_code, self._hidden(error.message)[:500]
            if code in _OF_ONE_REQUEST:
                self.journal.add_refused(key, skill, problem)
                self._refused += 1
                if self._answered or self._refused < _REFUSALS:
                    return None
            if code not in _LATER and code < 500:
                raise InputError(
                    f"{self._hidden(self.url)}: expected a chat completion, got {problem}: correct "
                    f"{URL}, {MODEL} or {KEY}"
                ) from None
            if wait := error.response.headers.get("Retry-After"):
                problem += f" (Retry-After: {self._hidden(wait)})"
        except openai.APIConnectionError as error:
            problem = self._hidden(f"{error} {error.__cause__ or ''}").strip()
        else:
            # An endpoint may repeat the key in an answer, which is kept.
            text = self._hidden(done.choices[0].message.content or "")
            counted = getattr(done.usage, "total_tokens", None)
            tokens = counted if type(counted) is int and counted >= 0 else most
            self.journal.add(
                key, text, model=self.model, version=PROMPT_VERSION, skill=skill, tokens=tokens
            )
            return text
        raise ConnectionError(
            f"{self._hidden(self.url)}: expected an answer, got none, last {problem}: see whether "
            "the endpoint is well, and go on with the same command"
        ) from None

    def _complete(self, payload: Mapping[str, Any], most: int) -> openai.types.chat.ChatCompletion:
        """A completion, of as many attempts as the cap has room for.

        The limit goes by its newer name once the endpoint has asked for that.
        """
        import openai

        attempts = _ATTEMPTS
        if self.token_cap is not None:
            attempts = min(attempts, (self.token_cap - self.journal.tokens) // most)
            if attempts < 1:
                raise InputError(
                    f"expected at most {self.token_cap:,} tokens, {self.journal.tokens:,} are spent"
                    f" and the next request may take {most:,}: raise token_cap (--token-cap); "
                    f"{self.journal.path} has all answers until now"
                )
        body = {name: payload[name] for name in payload if name != _LIMIT}
        body[self._limit] = payload[_LIMIT]
        ask = self._client.with_options(max_retries=attempts - 1).chat.completions.create
        try:
            done: openai.types.chat.ChatCompletion = ask(model=self.model, **body)
        except openai.BadRequestError as error:
            if self._limit == _NEWER_LIMIT or _NEWER_LIMIT not in error.message:
                raise
            self._limit = _NEWER_LIMIT
            return self._complete(payload, most)
        return done

    def _lost(self) -> None:
        """Count an attempt that may be paid for and brought nothing, before there is another."""
        self.journal.add_lost(*self._asked)

    def _hidden(self, text: str) -> str:
        return self._hider.hide(text)


def read_endpoint() -> tuple[str, str, str]:
    """URL, model and key, as UWE_LLM_URL, UWE_LLM_MODEL and UWE_LLM_KEY say."""
    found = {name: os.environ.get(name, "").strip() for name in (URL, MODEL, KEY)}
    if missing := [name for name in (URL, MODEL) if not found[name]]:
        raise InputError(
            f"expected the environment variables {URL} (such as https://api.openai.com/v1) and "
            f"{MODEL}, and {KEY} if the endpoint asks for a key; not set: {', '.join(missing)}: "
            "set them"
        )
    return found[URL], found[MODEL], found[KEY]


def estimate(
    groundings: Sequence[Grounding],
    model: str,
    journal: Journal | None = None,
    *,
    sentences: int,
    seed: int,
) -> Estimate:
    """What asking a model for skills costs at most, before anything is asked.

    A token is taken as three bytes of a prompt, and every answer as long as it may be. What
    `journal` has of this model, with these sentences for each skill and this seed, is not asked
    again.
    """
    payloads = [_payload(each, sentences, seed) for each in groundings]
    known = {} if journal is None else journal.answers
    unanswered = [payload for payload in payloads if _key(model, payload) not in known]
    return Estimate(
        requests=len(payloads),
        answered=len(payloads) - len(unanswered),
        spent=0 if journal is None else journal.tokens,
        tokens=sum(map(_tokens, unanswered)),
    )


def _payload(grounding: Grounding, sentences: int, seed: int) -> dict[str, Any]:
    """The request for a skill, without the model."""
    messages = messages_for(grounding, sentences=sentences)
    return {"messages": messages, _LIMIT: 80 * sentences + 200, "seed": seed}


def _key(model: str, payload: Mapping[str, Any]) -> str:
    """sha256 of a request's content: equal requests have equal keys, wherever they are sent."""
    content = {"model": model, "prompt_version": PROMPT_VERSION, **payload}
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _tokens(payload: Mapping[str, Any]) -> int:
    """Tokens of a request and its answer, at most."""
    text = json.dumps(payload["messages"], ensure_ascii=False)
    prompt = -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)
    return prompt + _OVERHEAD + int(payload[_LIMIT])


def _client(url: str, key: str, timeout: float, lost: Callable[[], object]) -> openai.OpenAI:
    """A client that tells of lost attempts, and follows no redirection, which would take the key.

    An answer whose body is not complete in time, or that is no chat completion, is an attempt that
    failed, and is made again.
    """
    with extra("enrich", "uwe enrich"):
        import httpx2
        import openai

    class InTime(httpx2.SyncByteStream):
        # The client's own timeout is for each read: a byte now and then would keep it waiting.
        def __init__(self, response: httpx2.Response, end: float) -> None:
            self.request, self.stream, self.end = response.request, response.stream, end

        def __iter__(self) -> Iterator[bytes]:
            for part in cast(httpx2.SyncByteStream, self.stream):
                if time.monotonic() > self.end:
                    self.close()
                    raise httpx2.ReadTimeout("the answer took too long", request=self.request)
                yield part

        def close(self) -> None:
            cast(httpx2.SyncByteStream, self.stream).close()

    class Client(openai.DefaultHttpxClient):
        def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
            end = time.monotonic() + timeout
            try:
                response = super().send(request, **{**options, "stream": True})
                response.stream = InTime(response, end)
                response.read()
                if response.is_success and not _is_completion(response):
                    raise httpx2.RemoteProtocolError("no chat completion", request=request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                raise  # nothing was asked
            except httpx2.RequestError:
                lost()
                raise
            if response.status_code in _GATEWAYS:
                lost()
            return response

    return openai.OpenAI(
        base_url=url.rstrip("/").removesuffix(_PATH),
        api_key=key or "none",
        timeout=timeout,
        http_client=Client(follow_redirects=False),
    )


def _is_completion(response: httpx2.Response) -> bool:
    try:
        content = response.json()["choices"][0]["message"]["content"]
    except (ValueError, RecursionError, TypeError, LookupError):
        return False
    return content is None or isinstance(content, str)


def _is_address(url: str) -> bool:
    """Whether it is a plain HTTP address, with nothing in it that could be a secret."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    plain = url.isprintable() and not set(" @?#") & set(url)
    return bool(plain and parts.scheme in ("http", "https") and host)
