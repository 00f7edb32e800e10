"""Starts the service: one process, or several workers that share the mapped caches."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import tempfile
import threading
from dataclasses import asdict, replace
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from uwe.parallelism import set_threads, threads
from uwe.service.app import Settings, make_app
from uwe.service.heads import BoundedHeads
from uwe.service.listening import OPTIONS, check_address, is_loopback
from uwe.service.spaces import Spaces

_SETTINGS = "UWE_SERVICE_SETTINGS"
"""Environment variable that tells workers their settings; the key comes with it, to them alone."""
_YOUNG_OBJECTS = 5000
"""Objects after which the garbage collector looks for cycles: more than a batch makes. Requests
leave none, but some refused ones do, whose bodies they hold."""


def serve(settings: Settings, *, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM or SIGINT; then answer what was accepted, and return.

    Each of the `workers`, which are processes, uses its share of the processors.
    """
    check_address(host, port)
    # Whoever has a key is no web page that was led here.
    settings = replace(settings, local=is_loopback(host) and settings.api_key is None)
    share = max(1, threads() // workers)
    set_threads(share)
    spaces = Spaces(settings.spaces)  # errors now, and caches built once
    common: dict[str, Any] = {"host": host, "port": port, "http": BoundedHeads, **OPTIONS}
    if workers == 1:
        uvicorn.run(make_app(settings, spaces, on_ready=_collect_less), **common)
        return
    del spaces
    with tempfile.TemporaryDirectory(prefix="uwe-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        os.environ["UWE_THREADS"] = str(share)
        os.environ[_SETTINGS] = json.dumps(asdict(settings))
        app = "uwe.service.server:_worker_app"
        config = uvicorn.Config(app, factory=True, workers=workers, **common)
        _Workers(config, sockets=[config.bind_socket()]).run()


class _Workers(Multiprocess):
    """uvicorn's workers, whose parent stops listening before they answer what they have accepted.

    Otherwise the system would go on taking connections that nobody is going to accept.
    """

    def terminate_all(self) -> None:
        """Tell the workers to stop."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def _worker_app() -> FastAPI:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    settings = json.loads(os.environ.pop(_SETTINGS))
    chosen = Settings(**{**settings, "spaces": tuple(settings["spaces"])})
    return make_app(chosen, on_ready=_collect_less)


def _collect_less() -> None:
    """Keep the garbage collector from what stays: modules, models, spaces.

    To look through that takes it up to a tenth of a second, in which all requests wait.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)


def _end_with_parent() -> None:
    """Stop as if told to, if the process that started this one was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
