"""Heads of requests that are too long, or do not come to an end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import uvicorn

from uwe.service import heads


async def _app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def _answer(*pieces: bytes, seconds: float = 0.0) -> bytes:
    """What a server sends, until it closes the connection, to pieces a moment apart."""

    async def run() -> bytes:
        config = uvicorn.Config(
            _app, port=0, http=heads.BoundedHeads, lifespan="off", log_config=None, ws="none"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(seconds)
            return await asyncio.wait_for(reader.read(), 20)
        except ConnectionError:
            return b""
        finally:
            writer.close()
            server.should_exit = True
            await serving

    return asyncio.run(run())


def test_a_head_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = b"GET / HTTP/1.1\r\nHost: x\r\nX: "
    assert _answer(begin, *[b"a" * 1000] * 1000) == b""
    monkeypatch.setattr(heads, "_MOST_SECONDS", 0.3)
    assert _answer() == b""
    assert _answer(begin, *[b"a"] * 10, seconds=0.1) == b""


def test_a_long_head_and_a_long_body_are_read() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 60_000
    body = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
    answered = _answer(head, b"\r\n\r\n", body, b"a" * 100_000, b"a" * 100_000, seconds=0.05)
    assert answered.count(b"204 No Content") == 2
