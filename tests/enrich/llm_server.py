"""A local server that speaks the chat completions of OpenAI, and misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER: dict[str, list[str]] = {"sentences": [], "aliases": [], "titles": []}


class LlmServer(ThreadingHTTPServer):
    """Answers each request by the next step of its plan, and by the last one from then on.

    A step is `("answer", text)`, `("status", code, headers)` with or without a message,
    `("slow", seconds)`, `("drip", seconds)`, `("body", bytes)` or `("drop",)`.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, plan: list[tuple[Any, ...]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan = plan
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.reply: Callable[[dict[str, Any]], str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_step(self) -> tuple[Any, ...]:
        return self.plan[min(len(self.requests), len(self.plan)) - 1]


class _Handler(BaseHTTPRequestHandler):
    server: LlmServer

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(length))
        self.server.requests.append(request)
        self.server.headers.append({name.lower(): self.headers[name] for name in self.headers})
        self.server.paths.append(self.path)
        step, *rest = self.server.next_step()
        if step == "status":
            code, headers, *said = rest
            message = said[0] if said else "no: key sk-secret"
            self._send(json.dumps({"error": {"message": message}}).encode(), code, headers)
        elif step == "slow":
            time.sleep(rest[0])
            self._send(completion("late"))
        elif step == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            while True:  # until the client gives up
                self.wfile.write(b" ")
                time.sleep(rest[0])
        elif step == "body":
            self._send(rest[0])
        elif step == "drop":
            self.close_connection = True
        else:
            reply = self.server.reply
            self._send(completion(rest[0] if reply is None else reply(request)))

    def _send(self, body: bytes, code: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # the client gave up
            super().handle()


def completion(text: str, tokens: int = 100) -> bytes:
    """The body of a response."""
    message = {"role": "assistant", "content": text}
    return json.dumps(
        {"choices": [{"message": message}], "usage": {"total_tokens": tokens}}
    ).encode()


def answer(**lists: list[str]) -> str:
    """An answer that keeps to the schema."""
    return json.dumps(ANSWER | lists)


@contextmanager
def serving(*plan: tuple[Any, ...]) -> Iterator[LlmServer]:
    with LlmServer(list(plan)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
