"""An OpenAI-compatible endpoint: one chat completion at a time, with patience and a pace."""

from __future__ import annotations

import http.client
import json
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import urlsplit

from uwe.enrich.hiding import Hider
from uwe.errors import InputError

__all__ = ["Completion", "Endpoint", "RefusedError", "UnansweredError"]

URL, KEY, MODEL = "UWE_LLM_URL", "UWE_LLM_KEY", "UWE_LLM_MODEL"
_PATH = "/chat/completions"
_PATIENCE = 300.0
"""Seconds that a `Retry-After` may ask for; who wants a longer pause should start anew."""
_LONGEST_WAIT = 60.0
_LARGEST = 4 << 20
"""Bytes of an answer: a thousand times what is asked for."""

_LIMIT, _NEWER_LIMIT = "max_tokens", "max_completion_tokens"
_AGAIN = (408, 409, 425, 429)
_GATEWAYS = (408, 502, 504, 524)
"""Statuses of something in between that gave up waiting for a model, which may go on and charge."""
_OF_ONE_REQUEST = (400, 413, 422)
"""Statuses that may be about one prompt alone: too long, or stopped by a filter."""


class UnansweredError(ConnectionError):
    """The endpoint gave no answer in all attempts. Remedy: later, the same command again."""


class RefusedError(InputError):
    """The endpoint refuses a request that it understood, maybe this one alone.

    Attributes:
        problem: What it said.
    """

    def __init__(self, message: str, problem: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True)
class Completion:
    """An answer.

    Attributes:
        text: What the model wrote; empty if it refused.
        tokens: Of prompt and answer, as the endpoint counts; None where it does not say.
    """

    text: str
    tokens: int | None


@dataclass
class Endpoint:
    """Where chat completions come from. The key is sent as a header, and is in no message.

    Attributes:
        url: Base URL, such as `https://api.openai.com/v1`.
        model: Name of the model there.
        key: The key, or an empty text for a server that asks for none.
        timeout: Seconds until an attempt is given up, whether nothing comes or too slowly.
        attempts: How often a request is tried in all.
        requests_per_minute: The pace; None sets none.
        first_wait: Seconds before the second attempt; each later wait is twice as long.
        sleep: Waits for seconds.
        clock: Tells seconds, for the pace.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 120.0
    attempts: int = 6
    requests_per_minute: float | None = None
    first_wait: float = 1.0
    sleep: Callable[[float], object] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _last: float | None = field(default=None, init=False, repr=False)
    _limit: str = field(default=_LIMIT, init=False, repr=False)
    _hider: Hider = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the URL and the numbers: InputError."""
        if not all(isinstance(text, str) for text in (self.url, self.model, self.key)):
            raise InputError("expected url, model and key as texts, got something else: correct it")
        if not _is_address(self.url):
            # Not shown: it may have a key in it.
            raise InputError(
                f"expected {URL} as http:// or https:// and a host, without a user or key in it, "
                "got something else: correct it"
            )
        if not self.key.isascii() or not self.key.isprintable() or " " in self.key:
            raise InputError(
                f"expected {KEY} in printable ASCII without blanks, got something else: correct it"
            )
        self._hider = Hider(self.key)
        for name in ("timeout", "attempts", "requests_per_minute"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and value > 0):
                raise InputError(f"expected {name} above 0, got {value!r}: correct it")

    @classmethod
    def from_environment(cls, **settings: Any) -> Endpoint:
        """The endpoint that UWE_LLM_URL, UWE_LLM_MODEL and, if it asks for one, UWE_LLM_KEY name.

        Raises:
            InputError: If URL or model is not set, or something is wrong with the URL or settings.
        """
        url, model = (os.environ.get(name, "").strip() for name in (URL, MODEL))
        missing = [name for name, value in ((URL, url), (MODEL, model)) if not value]
        if missing:
            raise InputError(
                f"expected the environment variables {URL} (such as https://api.openai.com/v1) "
                f"and {MODEL}, and {KEY} if the endpoint asks for a key; not set: "
                f"{', '.join(missing)}: set them, or use --provider offline"
            )
        return cls(url, model, os.environ.get(KEY, "").strip(), **settings)

    def complete(
        self, payload: Mapping[str, Any], *, lost: Callable[[], object] = lambda: None
    ) -> Completion:
        """Send a request, again where that may help, and return the answer.

        Args:
            payload: The body, without the model. Its `max_tokens` goes by the newer name once the
                endpoint has asked for that.
            lost: Called after each attempt that may be paid for and brought nothing, before there
                is another; what it raises ends the attempts.

        Raises:
            RefusedError: If the endpoint refuses this request, and maybe no other.
            InputError: If it refuses whatever is asked: a wrong key, model or path.
            UnansweredError: If no attempt brought an answer.
        """
        problem = ""
        for attempt in range(self.attempts):
            self._keep_pace()
            wait = min(self.first_wait * 2**attempt, _LONGEST_WAIT)
            try:
                done = _completion(self._post(self._body(payload)))
                # An endpoint may repeat the key in an answer, which is kept.
                return Completion(self._shown(done.text), done.tokens)
            except urllib.error.HTTPError as error:
                with error:
                    problem = self._problem(error)
                    asked = _retry_after(error.headers.get("Retry-After"))
                if error.code == 400 and _NEWER_LIMIT in problem and self._limit == _LIMIT:
                    self._limit = _NEWER_LIMIT
                    return self.complete(payload, lost=lost)
                self._check(error.code, problem)
                if error.code in _GATEWAYS:
                    lost()
                if asked is not None and asked > _PATIENCE:
                    message = (
                        f"{self.url}: {problem}, and asks to wait {asked:.0f} seconds: go on then "
                        "with the same command"
                    )
                    raise UnansweredError(self._shown(message)) from None
                wait = wait if asked is None else asked
            except _UnaskedError as error:
                problem = self._shown(str(error))
            except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
                # The connection stood: whoever sent half an answer may charge for it.
                problem = self._shown(f"{type(error).__name__}: {error}")
                lost()
            if attempt + 1 < self.attempts:
                self.sleep(wait)
        message = (
            f"{self.url}: expected an answer, got none in {self.attempts} attempts, last "
            f"{problem}: see whether the endpoint is well, and go on with the same command"
        )
        raise UnansweredError(self._shown(message))

    def _body(self, payload: Mapping[str, Any]) -> bytes:
        named = {self._limit if name == _LIMIT else name: payload[name] for name in payload}
        return json.dumps({"model": self.model, **named}).encode()

    def _keep_pace(self) -> None:
        if self.requests_per_minute is not None:
            if self._last is not None:
                rest = self._last + 60.0 / self.requests_per_minute - self.clock()
                if rest > 0:
                    self.sleep(rest)
            self._last = self.clock()

    def _post(self, body: bytes) -> Any:
        """The parsed body of the response."""
        url = self.url.rstrip("/")
        headers = {"Content-Type": "application/json", "User-Agent": "uwe"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            url if url.endswith(_PATH) else url + _PATH, data=body, headers=headers, method="POST"
        )
        # Against a peer that sends a byte now and then, for ever.
        deadline = time.monotonic() + self.timeout
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            response = opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError:
            raise
        except urllib.error.URLError as error:
            raise _UnaskedError(f"no connection ({error.reason})") from None
        with response:
            return json.loads(_read(response, deadline))

    def _problem(self, error: urllib.error.HTTPError) -> str:
        """What an endpoint says in place of an answer."""
        try:
            said = self._shown(error.read(1 << 16).decode("utf-8", "replace"))[:500]
        except (OSError, http.client.HTTPException):
            said = ""
        return self._shown(f"status {error.code} {' '.join(said.split())}".strip())

    def _check(self, code: int, problem: str) -> None:
        """InputError if asking again is no use, a RefusedError if that may hold for this alone."""
        if code in _AGAIN or code >= 500:
            return
        message = self._shown(
            f"{self.url}: expected a chat completion, got {problem}: correct {URL}, {MODEL} or "
            f"{KEY}"
        )
        if code in _OF_ONE_REQUEST:
            raise RefusedError(message, problem) from None
        raise InputError(message) from None

    def _shown(self, text: str) -> str:
        """A text as it may be shown and kept: endpoints repeat keys, in whatever spelling."""
        return self._hider.hide(text)


class _UnaskedError(Exception):
    """There was no connection, so nothing was asked."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirection, which would take the key to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        del req, fp, code, msg, headers, newurl


def _is_address(url: str) -> bool:
    """Whether it is a plain HTTP address, with nothing in it that could be a secret."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    plain = url.isprintable() and " " not in url and "@" not in parts.netloc
    return bool(
        plain
        and parts.scheme in ("http", "https")
        and parts.hostname
        and not parts.query
        and not parts.fragment
    )


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    content = bytearray()
    while part := response.read1(1 << 16):
        content += part
        if len(content) > _LARGEST:
            raise ValueError(f"more than {_LARGEST} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer came too slowly")
    return bytes(content)


def _completion(document: Any) -> Completion:
    """The answer in a response; ValueError if it is no chat completion."""
    try:
        text = document["choices"][0]["message"]["content"]
    except (TypeError, KeyError, IndexError):
        raise ValueError("a response without choices[0].message.content") from None
    usage = document.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    counted = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0
    return Completion(text if isinstance(text, str) else "", tokens if counted else None)


def _retry_after(value: str | None) -> float | None:
    """Seconds that a `Retry-After` asks for, as a number or a date; None if it says nothing."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    zoned = then if then.tzinfo else then.replace(tzinfo=timezone.utc)
    return max((zoned - datetime.now(timezone.utc)).total_seconds(), 0.0)
