"""The service as processes: workers, signals, its own OpenAPI under fire."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import uwe

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="signals of POSIX"),
]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve") / "skills.uwe"
    columns = {"family": ["IT", "food"]}
    return uwe.TargetCache.build(uwe.load(), ["SQL", "baking"], path=path, metadata=columns).path


class Service:
    """A process that serves, and the file with what it says."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self._log = log
        self.port = 0
        # It says that it is ready a moment before it listens.
        for _ in range(600):
            port = re.search(r"running on http://127.0.0.1:(\d+)", self.log)
            if port and "startup complete." in self.log:
                self.port = int(port[1])
                with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                    break
            time.sleep(0.1)

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def rank(self, connection: http.client.HTTPConnection, query: str) -> int:
        body = json.dumps({"query": query})
        connection.request("POST", "/v1/rank", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


@contextmanager
def served(*arguments: str | Path) -> Iterator[Service]:
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "uwe", "serve", "--port", "0", *map(str, arguments)],
                stderr=file, text=True,
            )  # fmt: skip
        try:
            yield Service(process, log)
        finally:
            process.kill()
            process.wait()


def _listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=30).close()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_loses_no_request_that_was_accepted(space: Path, workers: int) -> None:
    body = json.dumps({"query": "data engineer"}).encode()
    head = (
        f"POST /v1/rank HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    ).encode()
    with served("-t", space, "--workers", str(workers)) as service, ExitStack() as opened:
        address = ("127.0.0.1", service.port)
        connections = [
            opened.enter_context(socket.create_connection(address, timeout=30)) for _ in range(8)
        ]
        for connection in connections:
            connection.sendall(head)
            assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")  # a worker has it
        service.process.send_signal(signal.SIGTERM)
        while _listens(address):
            time.sleep(0.05)
        for connection in connections:
            connection.sendall(body)
        for connection in connections:
            with connection.makefile("rb") as answer:
                assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
                assert b'"label":"' in answer.read()
        assert service.process.wait(60) in (0, -signal.SIGTERM)
        assert "Traceback" not in service.log


def test_workers_count_together(space: Path) -> None:
    with served("-t", space, "--workers", "2") as service:
        for i in range(20):
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
            assert service.rank(connection, f"query {i}") == 200
            connection.close()
        connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
        connection.request("GET", "/metrics")
        assert 'status="200"} 20.0' in connection.getresponse().read().decode()
        connection.close()


def test_a_port_in_use_and_a_wrong_space_are_told_in_a_line(space: Path) -> None:
    with served("-t", space) as service:
        for arguments in (["-t", space, "--port", str(service.port)], ["-t", "town.uwe"]):
            command = [sys.executable, "-m", "uwe", "serve", *map(str, arguments)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            assert "uwe: error: " in done.stderr


def test_the_service_keeps_its_own_openapi(space: Path) -> None:
    with served("-t", space, "--max-body", "20000000") as service:
        done = subprocess.run(
            [Path(sys.executable).with_name("st"), "run", "--seed", "1", "--max-examples", "40",
             "--checks", "all", "--no-color",
             f"http://127.0.0.1:{service.port}/openapi.json"],
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[:5000]
