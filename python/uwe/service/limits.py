"""Around the application: request ids, the size and the time of a request, the API key, logs."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import time
import uuid
from typing import TYPE_CHECKING

import anyio

from uwe.errors import UweError
from uwe.service.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from uwe.service.app import Settings
    from uwe.service.metrics import Metrics


_log = logging.getLogger("uwe.service")
_GONE = 499
"""What the log and the metrics say, as nginx does, of a client that left before its answer."""
_MOST_PATH_CHARACTERS = 200
_LOCAL = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[\w.:-]{1,100}", re.ASCII)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OTHERS = [
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
_HEADERS = [(b"content-security-policy", _POLICY.encode()), *_OTHERS]
# Swagger's page starts itself by a script in it, and has styles there.
_DOCS_POLICY = re.sub("((?:script|style)-src 'self')", r"\1 'unsafe-inline'", _POLICY)
_DOCS_HEADERS = [(b"content-security-policy", _DOCS_POLICY.encode()), *_OTHERS]


NO_KEY = "expected the header 'Authorization: Bearer KEY' with the service's key"


_NOT_LOCAL = (
    "expected the header 'Host: localhost', or another name of this machine: this service listens "
    "at a loopback address; a proxy in front of it has to send that header, or the service a key"
)


def carries_key(authorization: bytes, key: bytes) -> bool:
    """Whether the header `Authorization` has the API key; the time does not tell how much of it."""
    scheme, _, given = authorization.partition(b" ")
    return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), key)


class BodyTooLargeError(UweError):
    """A request's body is larger than allowed. Remedy: send less at a time."""


class Limits:
    """ASGI middleware: no request takes more than its share, and each is logged and counted.

    `settings` say how much that is, `paths` which ones the metrics tell apart.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, metrics: Metrics, paths: Collection[str]
    ) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        headers = dict(scope["headers"])
        state = scope.setdefault("state", {})
        state["request_id"] = request_id = _request_id(headers.get(b"x-request-id", b""))
        others = _DOCS_HEADERS if scope["path"].startswith("/docs") else _HEADERS
        more = [(b"x-request-id", request_id.encode()), *others]
        status, begun = 500, False

        async def answered(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        async def refuse(code: int, detail: str, **others: str) -> None:
            if not begun:
                names = {name.replace("_", "-"): value for name, value in others.items()}
                await problem(scope, code, detail, headers=names)(scope, receive, answered)

        try:
            if self._settings.local and not _LOCAL.fullmatch(headers.get(b"host", b"localhost")):
                await refuse(421, _NOT_LOCAL)
            elif self._locked(scope["path"], headers.get(b"authorization", b"")):
                await refuse(401, NO_KEY, WWW_Authenticate="Bearer")
            elif not await self._answered(headers, scope, receive, answered) and not begun:
                status = _GONE
        except TimeoutError:
            await refuse(
                503,
                f"took longer than {self._settings.seconds:g} seconds, waiting for others "
                "included: send less at a time, or try again later",
                Retry_After="5",
            )
        except BodyTooLargeError as error:
            await refuse(413, str(error), Connection="close")
        except Exception:  # noqa: BLE001 - whatever it is, the log has it and the client hears of it
            _log.exception("a request failed", extra={"fields": {"request_id": request_id}})
            await refuse(500, "the service failed; its log says why")
        finally:
            self._tell(scope, status, time.perf_counter() - start)

    async def _answered(
        self, headers: dict[bytes, bytes], scope: Scope, receive: Receive, send: Send
    ) -> bool:
        """Answer within the time; False if the client left before."""
        with anyio.fail_after(self._settings.seconds) as limit:
            body = await self._body(headers, receive)
            if body is None:
                return False
            leaving = asyncio.create_task(_left(receive, limit.cancel))
            try:
                await self._app(scope, _replayed(body), send)
            finally:
                leaving.cancel()
        return not limit.cancelled_caught

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The whole body, before anything is done with it; None if the client left."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:19]) > self._settings.most_bytes:
            raise self._too_large()
        parts, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > self._settings.most_bytes:
                raise self._too_large()
            parts.append(part)
            more = message.get("more_body", False)
        return b"".join(parts)

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"expected a body of at most {self._settings.most_bytes} bytes: send less at a time"
        )

    def _locked(self, path: str, authorization: bytes) -> bool:
        """Whether a path asks for the API key, and it did not come."""
        key = self._settings.api_key
        if key is None or not path.startswith(("/v1/", "/metrics")):
            return False
        return not carries_key(authorization, key.encode())

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        state = scope["state"]
        # Guessed paths make no series of their own.
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        texts = state.get("texts")
        if texts:
            self._metrics.texts.labels(path).inc(texts)
        if path in ("/healthz", "/readyz", "/metrics"):
            return
        fields = {
            "request_id": state["request_id"],
            "method": scope["method"],
            "path": scope["path"][:_MOST_PATH_CHARACTERS],
            "status": status,
            "ms": round(1000 * seconds, 1),
            **{name: state[name] for name in ("targets", "texts", "said") if name in state},
        }
        _log.info("request", extra={"fields": fields})


def _request_id(given: bytes) -> str:
    """The id that a proxy gave, if it is a plain one, or a new one."""
    text = given.decode("latin-1")
    return text if _REQUEST_ID.fullmatch(text) else uuid.uuid4().hex


async def _left(receive: Receive, cancel: Callable[[], None]) -> None:
    """Cancel when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    cancel()


def _replayed(body: bytes) -> Receive:
    """A body that was read already; after it comes nothing: `_left` sees to a client that goes."""
    given = False

    async def replayed() -> Message:
        nonlocal given
        if given:
            await anyio.sleep_forever()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
