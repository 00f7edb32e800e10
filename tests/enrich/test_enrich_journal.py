"""The journal: what it wrote is there after a crash, and what it holds is not paid for again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from enrich.bakery import groundings, write_data, write_graphs
from enrich.llm_server import answer, serving
from uwe.enrich.asking import Asker, estimate
from uwe.enrich.journal import Journal, request_key
from uwe.enrich.provider import Endpoint, UnansweredError
from uwe.errors import DataError, InputError


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def add(journal: Journal, key: str, text: str = "a", tokens: int = 5) -> None:
    journal.add(key, text, model="m", version="1", skill="s", tokens=tokens)


def test_equal_requests_have_equal_keys() -> None:
    assert request_key({"a": 1, "b": "ä"}) == request_key({"b": "ä", "a": 1})
    assert request_key({"a": 1}) != request_key({"a": 2})


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
    with pytest.raises(DataError, match=r"j.jsonl:1: expected an entry of a journal"):
        Journal(path)
    assert path.read_text() == line


def test_one_run_at_a_time_writes_it(tmp_path: Path) -> None:
    with Journal(tmp_path / "j"), pytest.raises(InputError, match="another run has it open"):
        Journal(tmp_path / "j")
    Journal(tmp_path / "j").__exit__(None, None, None)


# Behind an endpoint ------------------------------------------------------------------------------


def asker(url: str, journal: Journal, **settings: int | None) -> Asker:
    endpoint = Endpoint(url, "m", "sk-secret", attempts=2, sleep=lambda _: None)
    return Asker(endpoint, journal, sentences=2, seed=0, **settings)  # type: ignore[arg-type]


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    grounding = groundings(tmp_path)["skill/bake"]
    answers = []
    with serving(("answer", answer(sentences=["Bake   it."]))) as server:
        for _ in range(2):
            with Journal(tmp_path / "j") as journal:
                found = asker(server.url, journal).candidates(grounding)
                assert isinstance(found, list)
                answers.append(found)
                assert journal.tokens == 100
    assert len(server.requests) == 1
    assert answers[0] == answers[1]
    (made,) = answers[0]
    assert (made.kind, made.text, made.skills) == ("sentence", "Bake it.", ("skill/bake",))
    (entry,) = map(json.loads, (tmp_path / "j").read_text().splitlines())
    assert entry.pop("key") == made.request
    assert entry == {
        "model": "m", "prompt_version": "1", "skill": "skill/bake",
        "answer": answer(sentences=["Bake   it."]), "tokens": 100,
    }  # fmt: skip
    assert "sk-secret" not in (tmp_path / "j").read_text()


def test_another_seed_model_or_grounding_is_another_request(tmp_path: Path) -> None:
    of = groundings(tmp_path)
    with serving(("answer", answer())) as server, Journal(tmp_path / "j") as journal:
        first = asker(server.url, journal)
        first.candidates(of["skill/bake"])
        first.candidates(of["skill/sql"])
        first.seed = 1
        first.candidates(of["skill/sql"])
        first.endpoint.model = "n"
        first.candidates(of["skill/sql"])
    assert len(server.requests) == 4


def test_an_answer_that_can_not_be_read_is_kept_and_not_paid_again(tmp_path: Path) -> None:
    grounding = groundings(tmp_path)["skill/bake"]
    with serving(("answer", "I am sorry, {")) as server:
        for _ in range(2):
            with Journal(tmp_path / "j") as journal:
                assert asker(server.url, journal).candidates(grounding) == "schema"
    assert len(server.requests) == 1


def test_requests_without_an_answer_count_as_spent(tmp_path: Path) -> None:
    grounding = groundings(tmp_path)["skill/bake"]
    with serving(("body", b"{")) as server, Journal(tmp_path / "j") as journal:
        with pytest.raises(UnansweredError):
            asker(server.url, journal).candidates(grounding)
        one = estimate([grounding], model="m", sentences=2, seed=0).tokens
        assert journal.tokens == 2 * one
    with Journal(tmp_path / "j") as journal:
        assert (journal.tokens, journal.answers) == (2 * one, {})


def test_a_lost_attempt_counts_before_it_is_repeated(tmp_path: Path) -> None:
    grounding = groundings(tmp_path)["skill/bake"]
    one = estimate([grounding], model="m", sentences=2, seed=0).tokens
    with serving(("drop",), ("answer", answer())) as server, Journal(tmp_path / "j") as journal:
        with pytest.raises(InputError, match=rf"{one:,} are spent and the next attempt may"):
            asker(server.url, journal, token_cap=2 * one - 1).candidates(grounding)
        assert (len(server.requests), journal.tokens) == (1, one)
        assert asker(server.url, journal, token_cap=2 * one).candidates(grounding) == []


def test_what_is_refused_for_one_skill_does_not_end_the_run(tmp_path: Path) -> None:
    of = list(groundings(tmp_path).values())
    filtered: tuple[Any, ...] = ("status", 400, {}, "a content filter")
    with serving(filtered, filtered, ("answer", answer()), filtered) as server:
        with Journal(tmp_path / "j") as journal:
            writer = asker(server.url, journal)
            found = [writer.candidates(grounding) for grounding in of]
            assert found == ["refused", "refused", [], "refused", "refused", "refused"]
        lines = [json.loads(line) for line in (tmp_path / "j").read_text().splitlines()]
        assert lines[0]["skill"] == of[0].skill.id
        assert "a content filter" in lines[0]["refused"]
        with Journal(tmp_path / "j") as journal:  # the endpoint is known to answer
            assert list(journal.answers) == [lines[2]["key"]]
            writer = asker(server.url, journal)
            assert [writer.candidates(each) for each in (of[2], *of[:2], *of[3:])][1:] == (
                ["refused"] * 5
            )
    assert len(server.requests) == 11


def test_an_endpoint_that_refuses_all_it_is_asked_ends_the_run(tmp_path: Path) -> None:
    of = list(groundings(tmp_path).values())
    with serving(("status", 400, {}, "no such model")) as server, Journal(tmp_path / "j") as j:
        writer = asker(server.url, j)
        assert [writer.candidates(grounding) for grounding in of[:2]] == ["refused"] * 2
        with pytest.raises(InputError, match="no such model"):
            writer.candidates(of[2])
    with (
        serving(("status", 401, {})) as server,
        Journal(tmp_path / "j") as journal,
        pytest.raises(InputError, match="status 401"),
    ):
        asker(server.url, journal).candidates(of[0])


def test_an_answer_without_end_counts_as_far_as_it_was_asked_for(tmp_path: Path) -> None:
    grounding = groundings(tmp_path)["skill/bake"]
    texts = [f"text {number}" for number in range(10_000)]
    endless = answer(sentences=texts, aliases=texts, titles=texts)
    with serving(("answer", endless)) as server, Journal(tmp_path / "j") as journal:
        found = asker(server.url, journal).candidates(grounding)
    assert isinstance(found, list)
    assert [(c.kind, c.text) for c in found] == [
        ("sentence", "text 0"), ("sentence", "text 1"), ("alias", "text 0"), ("alias", "text 1"),
        ("alias", "text 2"), ("title", "text 0"), ("title", "text 1"),
    ]  # fmt: skip


def test_the_estimate_is_above_the_cost_and_knows_the_journal(tmp_path: Path) -> None:
    of = list(groundings(tmp_path).values())
    with serving(("answer", answer())) as server, Journal(tmp_path / "j") as journal:
        writer = asker(server.url, journal)
        before = writer.check(of)
        assert (before.requests, before.answered, before.spent) == (6, 0, 0)
        writer.candidates(of[0])
        after = writer.check(of)
        assert (after.answered, after.spent) == (1, 100)
        assert after.tokens < before.tokens
    request = json.dumps(server.requests[0]["messages"])
    assert before.tokens - after.tokens > len(request.split()) + server.requests[0]["max_tokens"]


def test_the_cap_holds_before_the_first_call_and_in_the_middle(tmp_path: Path) -> None:
    of = list(groundings(tmp_path).values())
    one = estimate(of[:1], model="m", sentences=2, seed=0).tokens
    with serving(("answer", answer())) as server, Journal(tmp_path / "j") as journal:
        with pytest.raises(InputError, match=r"expected at most 50 tokens, but 6 requests"):
            asker(server.url, journal, token_cap=50).check(of)
        assert server.requests == []
        small = asker(server.url, journal, token_cap=one + 99)
        small.candidates(of[0])
        with pytest.raises(InputError, match="100 are spent and the next attempt"):
            small.candidates(of[1])
        assert small.candidates(of[0]) == []  # of the journal
    assert len(server.requests) == 1


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path: Path, how: signal.Signals) -> None:
    write_data(tmp_path / "data")
    write_graphs(tmp_path / "graphs")
    command = [
        sys.executable, "-m", "uwe", "enrich", "graphs", "out", "--data", "data", "--provider",
        "openai", "--no-round-trip", "--timeout", "30",
    ]  # fmt: skip

    def reply(request: dict) -> str:  # type: ignore[type-arg]
        label = json.loads(request["messages"][1]["content"])["label"]
        return answer(sentences=[f"Somebody who knows {label} well is wanted here."])

    with serving(("answer", ""), ("answer", ""), ("slow", 30), ("answer", "")) as server:
        server.reply = reply
        environment = os.environ | {
            "UWE_LLM_URL": server.url, "UWE_LLM_MODEL": "m", "UWE_LLM_KEY": "sk-secret",
        }  # fmt: skip
        first = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE,
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
            assert "out.journal.jsonl has 2 answers: the same command goes on" in said
        second = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
    assert "2 requests, " in second.stderr
    asked = [json.dumps(request, sort_keys=True) for request in server.requests]
    # The third was on its way when the run ended: it alone is asked again.
    assert len(asked) == 5
    assert asked[3] == asked[2]
    assert len(set(asked)) == 4
    everything = said + second.stderr + second.stdout
    everything += (tmp_path / "out.journal.jsonl").read_text()
    assert "sk-secret" not in everything
