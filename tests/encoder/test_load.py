"""`uwe.load`: the shipped model, folders, and the hub as a local server speaks it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import uwe
from tiny_model import write_model
from uwe.encoder.loading import SHIPPED_MODEL, load
from uwe.errors import InputError, ModelError

COMMIT = "c0ffee" + "0" * 34


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as downloading single files needs."""

    repositories: ClassVar[dict[str, Path]] = {}
    broken: ClassVar[set[str]] = set()
    stingy: ClassVar[set[str]] = set()
    dropping: ClassVar[set[str]] = set()
    circling: ClassVar[set[str]] = set()
    requests: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.requests.append(f"{self.command} {self.path}")
        repository, _, rest = self.path.lstrip("/").partition("/resolve/")
        name = rest.partition("/")[2]
        if repository in self.broken:
            self._fail(500, "")
        elif repository in self.stingy and with_body:
            self._fail(403, "")
        elif repository in self.dropping:
            self.close_connection = True
        elif repository in self.circling:
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif repository not in self.repositories:
            self._fail(401, "RepoNotFound")
        elif not (self.repositories[repository] / name).is_file():
            self._fail(404, "EntryNotFound")
        else:
            body = (self.repositories[repository] / name).read_bytes()
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

    def _fail(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        if code == "EntryNotFound":
            self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Be silent."""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a hub with two models, one repository of something else, and a broken one."""
    root = tmp_path_factory.mktemp("hub")
    (root / "other").mkdir()
    (root / "other" / "config.json").write_text("{}")
    half = write_model(root / "half")
    (half / "model.onnx").unlink()
    Hub.repositories = {
        "org/runtime": write_model(root / "runtime"),
        "org/model": write_model(root / "model", onnx_folder="onnx", name="model"),
        "org/other": root / "other",
        "org/half": half,
        "org/stingy": half,
    }
    Hub.broken, Hub.stingy = {"org/broken"}, {"org/stingy"}
    Hub.dropping, Hub.circling = {"org/dropping"}, {"org/circling"}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


LOADING = """
import json, sys, time
time.sleep = lambda seconds: None  # what the hub's client does between its tries
from uwe.errors import ModelError
from uwe.encoder.loading import load

results = {}
for source in sys.argv[1:]:
    try:
        model = load(source)
        vectors = model.encode(["data engineer"]).values.tolist()
        results[source] = [model.source, model.config.name, vectors]
    except ModelError as error:
        results[source] = str(error)
print(json.dumps(results))
"""


def load_elsewhere(
    sources: list[str], endpoint: str, home: Path, **environment: str
) -> dict[str, Any]:
    """Load in a new process, as huggingface_hub reads its environment on import."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    ran = subprocess.run(
        [sys.executable, "-c", LOADING, *sources],
        env=kept | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)} | environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert ran.stderr == "", "what the hub's client says of its tries is not told"
    results: dict[str, Any] = json.loads(ran.stdout)
    return results


def downloads() -> list[str]:
    """What was asked of the hub so far, without questions about what is there."""
    return [r for r in Hub.requests if r.startswith("GET") and "/resolve/" in r]


def test_the_shipped_model_is_the_default_and_has_a_name() -> None:
    model = load()
    assert model.source == SHIPPED_MODEL == "uwe-mini"
    assert model.config.name == "uwe-mini"
    assert str(model.config.scorer) == "soft:0.5:4"
    assert model.config.language == "en"
    assert model.config.licence == "Apache-2.0"
    assert model.dim == 384
    again = load(model.source, threads=1)
    assert again.fingerprint == model.fingerprint
    assert again.threads == 1


def test_a_folder_is_loaded_by_any_kind_of_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "some" / "model")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in (folder, str(folder), "some/model", Path("some/model"), "~/some/model"):
        model = load(source)
        assert model.source == str(folder)
        assert len(model.encode(["data"])) == 1


def test_a_model_folder_has_its_onnx_file_in_a_folder(tmp_path: Path) -> None:
    assert len(load(write_model(tmp_path, onnx_folder="onnx")).encode(["data"])[0]) == 3


@pytest.mark.parametrize("source", ["", "  ", 3, ["uwe-mini"], b"uwe-mini"])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(InputError, match="folder"):
        load(source)


@pytest.mark.parametrize("source", ["/no/such/folder", "no-such-folder", "a/b/c", "./a", "../x/y"])
def test_a_missing_folder_is_named(source: str) -> None:
    with pytest.raises(ModelError, match="folder"):
        load(source)


def test_a_name_too_long_for_a_path_is_refused() -> None:
    with pytest.raises(ModelError, match="too long"):
        uwe.load("x" * 300)


@pytest.mark.parametrize("source", ["~no-such-user/model", Path("~no-such-user/model")])
def test_a_home_of_nobody_is_named(source: str | Path) -> None:
    with pytest.raises(ModelError, match="no-such-user/model"):
        load(source)


def test_what_would_lie_in_a_folder_that_is_here_is_no_hub_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    monkeypatch.setattr("huggingface_hub.hf_hub_download", None)
    with pytest.raises(ModelError, match="expected a model folder"):
        load("runs/typo")


def test_a_path_object_never_means_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="folder"):
        load(Path("org/runtime"))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="folder"):
        load(tmp_path / "file")


def test_models_come_from_the_hub_once(hub: str, tmp_path: Path) -> None:
    Hub.requests.clear()
    first = load_elsewhere(["org/runtime", "org/model"], hub, tmp_path)
    assert first["org/runtime"][:2] == ["org/runtime", "tiny"]
    assert first["org/model"][:2] == ["org/model", "model"]
    local = load(Hub.repositories["org/runtime"]).encode(["data engineer"]).values
    np.testing.assert_array_equal(np.float32(first["org/runtime"][2]), local)
    fetched = downloads()
    assert len(fetched) == 6
    # All files are of the commit that the first one was of.
    assert all(COMMIT in r for r in fetched if not r.endswith("main/uwe.json"))
    again = load_elsewhere(["org/runtime", "org/model"], hub, tmp_path)
    assert again == first
    assert downloads() == fetched
    (tmp_path / "org").mkdir()  # what the cache has is no slip of a path
    offline = load_elsewhere(["org/runtime", "org/model"], hub, tmp_path, HF_HUB_OFFLINE="1")
    assert offline == first


def test_hub_errors_say_what_to_do(hub: str, tmp_path: Path) -> None:
    names = ["absent", "other", "half", "broken", "stingy", "na..me"]
    results = load_elsewhere([f"org/{name}" for name in names], hub, tmp_path)
    assert "neither a folder here nor a public model on the hub" in results["org/absent"]
    assert "hf auth login" in results["org/absent"]
    assert "is no model of uwe, as it lacks a file" in results["org/other"]
    assert "uwe export" in results["org/other"]
    assert "is no model of uwe, as it lacks a file" in results["org/half"]
    assert "the hub cannot be reached" in results["org/broken"]
    assert "the download failed" in results["org/stingy"]
    assert "neither a folder here" in results["org/na..me"]


def test_a_download_that_fails_on_the_way_says_what_to_do(hub: str, tmp_path: Path) -> None:
    names = ["org/dropping", "org/circling"]
    results = load_elsewhere(names, hub, tmp_path)
    for name in names:
        assert results[name].startswith(f"'{name}': "), results[name]
        # Clients of the hub before 1.0 do not tell what broke on the way from what never began.
        failed = "the download failed" in results[name] and results[name].endswith(": try again")
        assert failed or "the hub cannot be reached" in results[name], results[name]


def test_an_error_of_the_disk_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    with pytest.raises(OSError, match="No space left"):
        load("org/no-such-model")


@pytest.mark.parametrize("error", [Exception("read timed out"), TimeoutError(110, "too late")])
def test_any_error_of_the_network_says_try_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(ModelError, match="'org/no-such-model'"):
        load("org/no-such-model")


def test_a_hub_out_of_reach_says_connect(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"  # the discard port, where nothing listens
    results = load_elsewhere(["org/runtime"], nowhere, tmp_path)
    assert "the hub cannot be reached" in results["org/runtime"]
    offline = load_elsewhere(["org/runtime"], nowhere, tmp_path, HF_HUB_OFFLINE="1")
    assert "the hub cannot be reached" in offline["org/runtime"]
    assert "connect to the network, or pass a folder" in offline["org/runtime"]


def test_the_shipped_model_is_small_enough_to_ship() -> None:
    folder = Path(uwe.__file__).parent / "assets" / SHIPPED_MODEL
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 25_000_000
