"""Starts the service: one process, or several workers that share the mapped caches."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from dataclasses import asdict
from typing import Any

import uvicorn
from fastapi import FastAPI

from uwe.parallelism import available_threads, set_threads
from uwe.service.app import Settings, make_app
from uwe.service.logs import LOG_CONFIG
from uwe.service.spaces import Spaces

__all__ = ["serve"]

_SETTINGS = "UWE_SERVICE_SETTINGS"
"""Environment variable that tells workers their settings; the key comes with it, to them alone."""
_STOP_SECONDS = 30


def serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or SIGINT; then answer what was accepted, and return.

    Args:
        settings: What is served.
        host: Address to listen at.
        port: Port to listen at.
        workers: Processes; each uses its share of the processors.

    Raises:
        UweError: If a target space or its model cannot be opened.
        OSError: If the port is in use.
    """
    set_threads(max(1, available_threads() // workers))
    spaces = Spaces(settings.spaces)  # errors now, and caches built once
    common: dict[str, Any] = {
        "host": host,
        "port": port,
        "log_config": LOG_CONFIG,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": _STOP_SECONDS,
        "backlog": 2048,
    }
    if workers == 1:
        uvicorn.run(make_app(settings, spaces), **common)
        return
    del spaces
    with tempfile.TemporaryDirectory(prefix="uwe-metrics-") as folder:
        # uvicorn leaves its listening socket to the end of the process.
        warnings.simplefilter("ignore", ResourceWarning)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        os.environ["UWE_THREADS"] = str(max(1, available_threads() // workers))
        os.environ[_SETTINGS] = json.dumps(asdict(settings))
        uvicorn.run("uwe.service.server:_worker_app", factory=True, workers=workers, **common)


def _worker_app() -> FastAPI:
    settings = json.loads(os.environ.pop(_SETTINGS))
    return make_app(Settings(**{**settings, "spaces": tuple(settings["spaces"])}))
