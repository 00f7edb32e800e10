"""The journal: what it wrote is there after a crash, and what it holds is not paid for again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from enrich.bakery import write_data, write_graphs
from enrich.llm_server import answer, serving
from uwe.cli.app import app
from uwe.enrich.journal import Journal
from uwe.errors import DataError, InputError


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def add(journal: Journal, key: str, text: str = "a", tokens: int = 5) -> None:
    journal.add(key, text, model="m", version="1", skill="s", tokens=tokens)


def test_what_was_added_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "j.jsonl"
    with Journal(path) as journal:
        add(journal, "1", "line\r\nend \u2028 \ud800")
        add(journal, "2")
        journal.add_lost("3", 7)
        journal.add_refused("4", "s", "status 400")
    with Journal(path) as journal:
        assert journal.answers == {"1": "line\r\nend \u2028 \ud800", "2": "a"}
        assert journal.tokens == 17


def test_every_torn_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        add(journal, "1")
        add(journal, "2")
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        with Journal(path) as journal:
            assert list(journal.answers) == ["1"]
            add(journal, "3")
        with Journal(path) as journal:
            assert list(journal.answers) == ["1", "3"]


@pytest.mark.parametrize("line", ["notes of mine", "{}\n", '{"key": 1}\n', "[]\n", "[[\n"])
def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "j.jsonl"
    path.write_text(line)
    with pytest.raises(DataError):
        Journal(path)
    assert path.read_text() == line


def test_one_run_at_a_time_writes_it(tmp_path: Path) -> None:
    with Journal(tmp_path / "j"), pytest.raises(InputError):
        Journal(tmp_path / "j")
    Journal(tmp_path / "j").__exit__(None, None, None)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    pytest.importorskip("openai")
    write_data(tmp_path / "data")
    write_graphs(tmp_path / "graphs")
    command = [
        sys.executable, "-m", "uwe", "enrich", "graphs", "-o", "out", "--data", "data",
        "--no-round-trip", "--timeout", "30",
    ]  # fmt: skip

    def reply(request: dict) -> str:  # type: ignore[type-arg]
        label = json.loads(request["messages"][1]["content"])["label"]
        return answer(sentences=[f"Somebody who knows {label} well is wanted here."])

    with serving(("answer", ""), ("answer", ""), ("slow", 30), ("answer", "")) as server:
        server.reply = reply
        environment = {"UWE_LLM_URL": server.url, "UWE_LLM_MODEL": "m", "UWE_LLM_KEY": "sk-secret"}
        first = subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | environment, stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(server.requests) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        first.send_signal(how)
        said = first.communicate(timeout=60)[1].decode()
        assert not (tmp_path / "out").exists()
        if how == signal.SIGINT:
            assert first.returncode == 130
            assert "2 answers" in said
        monkeypatch.chdir(tmp_path)
        second = CliRunner().invoke(app, command[3:], env=environment)
    assert second.exit_code == 0, second.output
    assert "2 requests, " in second.stderr
    asked = [json.dumps(request, sort_keys=True) for request in server.requests]
    # The third was on its way when the run ended: it alone is asked again.
    assert len(asked) == 5
    assert asked[3] == asked[2]
    assert len(set(asked)) == 4
    everything = said + second.output
    everything += (tmp_path / "out.journal.jsonl").read_text()
    assert "sk-secret" not in everything
