"""The head of a request, bounded in bytes and in time, which uvicorn's fast protocol is not."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MOST_BYTES = 65_536
_MOST_SECONDS = 20.0


class BoundedHeads(HttpToolsProtocol):
    """Closes a connection whose request line and headers are too long, or do not come to an end."""

    _timer: asyncio.TimerHandle | None = None
    _bytes: int | None = None
    """Of the head that is being read, after what came with its first byte; None while none is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(_MOST_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        """Read on, if the head is not too long."""
        if self._bytes is not None:
            self._bytes += len(data)
            if self._bytes > _MOST_BYTES:
                self.logger.warning("Request head of more than %d bytes.", _MOST_BYTES)
                self.transport.close()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Called by the parser at the first byte of a head."""
        super().on_message_begin()
        self._bytes = 0
        if self._timer is None:
            self._timer = self.loop.call_later(_MOST_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        """Called by the parser at the end of a head."""
        self._ended()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._ended()
        super().connection_lost(exc)

    def _ended(self) -> None:
        self._bytes = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
