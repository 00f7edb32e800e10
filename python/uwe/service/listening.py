"""Options of uvicorn for both servers, and a check that an address is free."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from uwe.errors import InputError
from uwe.service.logs import LOG_CONFIG

OPTIONS: dict[str, Any] = {
    "log_config": LOG_CONFIG,
    "access_log": False,
    "ws": "none",
    "server_header": False,
    "timeout_graceful_shutdown": 30,
    "backlog": 2048,
    # Longer than proxies keep theirs, so that none sends a request into a closing connection.
    "timeout_keep_alive": 75,
}


def is_loopback(host: str) -> bool:
    """Whether an address is one that only this machine reaches."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, port: int) -> None:
    """InputError if a server cannot listen there: better before anything takes time."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"expected an address to listen at, got {host}, port {port} ({error}): choose another "
            "one, by --host and --port"
        ) from None
