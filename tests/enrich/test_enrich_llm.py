"""The language model: the client's patience, the cap, and a key that is never shown."""

from __future__ import annotations

import base64
import html
import json
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

if find_spec("openai") is None:
    pytest.skip("needs the extra 'enrich'", allow_module_level=True)
from enrich.bakery import groundings
from enrich.llm_server import answer, completion, serving
from uwe.enrich.grounding import Grounding
from uwe.enrich.hiding import Hider
from uwe.enrich.journal import Journal
from uwe.enrich.llm import LLM, estimate, read_endpoint
from uwe.enrich.prompt import Candidate
from uwe.errors import InputError, MissingExtraError

KEY = "sk-proj-Zy9/Xw8+Vu7\"Ts6'Rq5&Po4\\Nm3=="
SOON = {"retry-after-ms": "1"}


@pytest.fixture(scope="module")
def of(tmp_path_factory: pytest.TempPathFactory) -> list[Grounding]:
    return list(groundings(tmp_path_factory.mktemp("groundings")).values())


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Journal(tmp_path / "j") as journal:
        yield journal


def llm(url: str, journal: Journal, **settings: Any) -> LLM:
    return LLM(journal, url=url, model="m", **{"key": "sk-secret", "sentences": 2, **settings})


def cost(grounding: Grounding) -> int:
    return estimate([grounding], "m", sentences=2, seed=0).tokens


def entries(journal: Journal) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.path.read_text().splitlines()]


def test_nothing_is_asked_twice(of: list[Grounding], tmp_path: Path) -> None:
    text = answer(sentences=["Bake   it."])
    found: list[Candidate] = []
    with serving(("answer", text)) as server:
        for _ in range(2):
            with Journal(tmp_path / "j") as journal:
                candidates = llm(server.url, journal).candidates(of[0])
                assert not isinstance(candidates, str)
                found += candidates
                assert journal.tokens == 100
    made = found[0]
    assert found == [made, made]
    assert (made.kind, made.text, made.skill) == ("sentence", "Bake it.", of[0].skill.id)
    (request,) = server.requests
    assert (request["model"], request["max_tokens"], request["seed"]) == ("m", 360, 0)
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == "Bearer sk-secret"
    assert json.loads((tmp_path / "j").read_text()) == {
        "key": made.request, "model": "m", "prompt_version": "1", "skill": of[0].skill.id,
        "answer": text, "tokens": 100,
    }  # fmt: skip


def test_another_seed_model_or_grounding_is_another_request(
    of: list[Grounding], journal: Journal
) -> None:
    with serving(("answer", answer())) as server:
        first = llm(f"{server.url}/chat/completions", journal, key="")
        first.candidates(of[0])
        first.candidates(of[1])
        first.seed = 1
        first.candidates(of[1])
        first.model = "n"
        first.candidates(of[1])
    assert len(server.requests) == len(journal.answers) == 4
    assert "sk-" not in str(server.headers)


def test_an_answer_that_cannot_be_read_is_kept_and_not_paid_again(
    of: list[Grounding], journal: Journal
) -> None:
    with serving(("answer", "I am sorry, {")) as server:
        for _ in range(2):
            assert llm(server.url, journal).candidates(of[0]) == "schema"
    assert len(server.requests) == 1


def test_a_refusal_of_the_model_is_an_empty_answer(of: list[Grounding], journal: Journal) -> None:
    body = completion("x").replace(b'"x"', b"null").replace(b"100", b'"many"')
    with serving(("body", body)) as server:
        assert llm(server.url, journal).candidates(of[0]) == "schema"
    assert journal.tokens == cost(of[0])


def test_what_may_pass_is_tried_again_and_what_may_be_paid_counts(
    of: list[Grounding], journal: Journal
) -> None:
    steps: list[tuple[Any, ...]] = [("status", code, SOON) for code in (429, 500, 504)]
    broken: list[tuple[Any, ...]] = [("drop",), ("body", b"[" * 100_000)]
    with serving(*broken, *steps, ("answer", answer())) as server:
        assert llm(server.url, journal).candidates(of[0]) == []
    assert len(server.requests) == 6
    # Behind the gateway a model may go on, and the broken ones had taken the request.
    assert journal.tokens == 3 * cost(of[0]) + 100


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"a": 1}]}'])
def test_a_body_that_is_no_completion_is_asked_for_again(
    of: list[Grounding], journal: Journal, body: bytes
) -> None:
    with serving(("body", body), ("answer", answer())) as server:
        assert llm(server.url, journal).candidates(of[0]) == []
    assert len(server.requests) == 2


def test_a_slow_answer_is_given_up(of: list[Grounding], journal: Journal) -> None:
    with serving(("slow", 9.0), ("answer", answer())) as server:
        assert llm(server.url, journal, timeout=1.0).candidates(of[0]) == []
    assert journal.tokens == cost(of[0]) + 100


def test_an_answer_that_drips_is_given_up(of: list[Grounding], journal: Journal) -> None:
    with serving(("drip", 0.05), ("answer", answer())) as server:
        assert llm(server.url, journal, timeout=1.0).candidates(of[0]) == []
    assert journal.tokens == cost(of[0]) + 100


def test_it_gives_up_and_no_answer_is_lost(of: list[Grounding], journal: Journal) -> None:
    with serving(("answer", answer()), ("status", 503, SOON)) as server:
        asked = llm(server.url, journal)
        asked.candidates(of[0])
        with pytest.raises(ConnectionError, match="503"):
            asked.candidates(of[1])
        assert len(server.requests) == 7
        assert asked.candidates(of[0]) == []


def test_a_long_wait_is_not_waited_for(of: list[Grounding], journal: Journal) -> None:
    with (
        serving(("status", 429, {"Retry-After": "86400"})) as server,
        pytest.raises(ConnectionError, match="86400"),
    ):
        llm(server.url, journal).candidates(of[0])
    assert len(server.requests) == 1


def test_no_connection_costs_nothing(of: list[Grounding], journal: Journal) -> None:
    with serving(("answer", "x")) as server:
        gone = llm(server.url, journal, token_cap=2 * cost(of[0]))
    with pytest.raises(ConnectionError):
        gone.candidates(of[0])
    assert journal.tokens == 0


def test_what_is_refused_for_one_skill_does_not_end_the_run(
    of: list[Grounding], journal: Journal
) -> None:
    filtered: tuple[Any, ...] = ("status", 400, {}, "a content filter")
    with serving(filtered, filtered, ("answer", answer()), filtered) as server:
        asked = llm(server.url, journal)
        found = [asked.candidates(grounding) for grounding in of]
        assert found == ["refused", "refused", [], "refused", "refused", "refused"]
        first = entries(journal)[0]
        assert first["skill"] == of[0].skill.id
        assert "a content filter" in first["refused"]
        # The next run asks again, and knows that the endpoint answers.
        again = llm(server.url, journal)
        assert [again.candidates(each) for each in (of[2], *of[:2], *of[3:])][1:] == ["refused"] * 5
    assert len(server.requests) == 11


def test_an_endpoint_that_refuses_all_it_is_asked_ends_the_run(
    of: list[Grounding], journal: Journal
) -> None:
    with serving(("status", 400, {}, "no such model")) as server:
        asked = llm(server.url, journal)
        assert [asked.candidates(grounding) for grounding in of[:2]] == ["refused"] * 2
        with pytest.raises(InputError, match="no such model"):
            asked.candidates(of[2])


@pytest.mark.parametrize("code", [302, 401, 403, 404])
def test_what_cannot_get_better_ends_the_run_at_once(
    of: list[Grounding], journal: Journal, code: int
) -> None:
    with serving(("answer", answer())) as other:
        with serving(("status", code, {"Location": other.url})) as server:
            with pytest.raises(InputError, match=str(code)) as found:
                llm(server.url, journal).candidates(of[0])
            assert len(server.requests) == 1
        assert other.requests == []  # a redirection would take the key along
    assert "sk-secret" not in str(found.value)


def test_a_limit_goes_by_the_newer_name_once_the_endpoint_asks_for_it(
    of: list[Grounding], journal: Journal
) -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with serving(("status", 400, {}, said), ("answer", answer())) as server:
        newer = llm(server.url, journal)
        assert [newer.candidates(each) for each in of[:2]] == [[], []]
    assert [request.get("max_tokens") for request in server.requests] == [360, None, None]
    assert [request.get("max_completion_tokens") for request in server.requests] == [None, 360, 360]
    with serving(("status", 400, {}, said)) as server:
        assert llm(server.url, journal).candidates(of[2]) == "refused"
    assert len(server.requests) == 2


# The cap -----------------------------------------------------------------------------------------


def test_the_estimate_is_above_the_cost_and_knows_the_journal(
    of: list[Grounding], journal: Journal
) -> None:
    with serving(("answer", answer())) as server:
        asked = llm(server.url, journal)
        before = asked.check(of)
        assert (before.requests, before.answered, before.spent) == (6, 0, 0)
        asked.candidates(of[0])
        after = asked.check(of)
        assert (after.answered, after.spent) == (1, 100)
    request = server.requests[0]
    words = len(json.dumps(request["messages"]).split())
    assert before.tokens - after.tokens > words + request["max_tokens"]


def test_the_cap_holds_before_the_first_call_and_in_the_middle(
    of: list[Grounding], journal: Journal
) -> None:
    with serving(("answer", answer())) as server:
        with pytest.raises(InputError, match="50"):
            llm(server.url, journal, token_cap=50).check(of)
        assert server.requests == []
        small = llm(server.url, journal, token_cap=cost(of[0]) + 99)
        small.candidates(of[0])
        with pytest.raises(InputError, match="100 are spent"):
            small.candidates(of[1])
        assert small.candidates(of[0]) == []  # of the journal
    assert len(server.requests) == 1


def test_no_more_is_tried_than_the_cap_has_room_for(of: list[Grounding], journal: Journal) -> None:
    one = cost(of[0])
    with serving(("drop",), ("answer", answer())) as server:
        with pytest.raises(ConnectionError):
            llm(server.url, journal, token_cap=2 * one - 1).candidates(of[0])
        assert (len(server.requests), journal.tokens) == (1, one)
        assert llm(server.url, journal, token_cap=2 * one).candidates(of[0]) == []


# The key -----------------------------------------------------------------------------------------

SPELLINGS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "json": lambda key: json.dumps(key)[1:-1],
    "json twice": lambda key: json.dumps(json.dumps(key))[1:-1],
    "json slashes": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "json numbers": lambda key: "".join(f"\\u{ord(letter):04x}" for letter in key),
    "url": lambda key: quote(key, safe=""),
    "html": html.escape,
    "repr": lambda key: repr(key)[1:-1],
    "upper": str.upper,
    "lower": str.lower,
    "cut at the end": lambda key: key[:20],
    "cut at the start": lambda key: key[12:],
    "middle": lambda key: key[8:24] + "...",
    "masked": lambda key: key[:12] + "***" + key[-9:],
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of a header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a user": lambda key: base64.urlsafe_b64encode(f"u:{key}".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
}


def leaks(text: str) -> list[str]:
    """Twelve characters of the key, or of a spelling of it, that a text has."""
    found = []
    for spell in SPELLINGS.values():
        spelt = spell(KEY)
        found += [spelt[i : i + 12] for i in range(len(spelt) - 11) if spelt[i : i + 12] in text]
    return found


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_it_is_hidden_in_every_spelling(spelling: str) -> None:
    shown = Hider(KEY).hide(f"wrong key {SPELLINGS[spelling](KEY)} for https://host/v1")
    assert leaks(shown) == []
    assert "[key]" in shown
    assert shown.startswith("wrong key ")
    assert shown.endswith(" for https://host/v1")


def test_other_texts_stay_as_they_are() -> None:
    text = 'You "manage" 100 % of \\u00e9, İ, %20, &amp; &#233; \\ and skills\n' * 20
    for key in (KEY, "", "k", "EMPTY", "sk-secretary-of-state"):
        assert Hider(key).hide(text) == text


def test_a_short_key_is_hidden_as_a_word() -> None:
    assert Hider("abc1").hide("key abc1, abc12 ABC1") == "key [key], abc12 [key]"


def test_no_message_and_no_answer_has_it(of: list[Grounding], journal: Journal) -> None:
    said = " ".join(f"Incorrect API key: {spell(KEY)}." for spell in SPELLINGS.values())
    steps: list[tuple[Any, ...]] = [
        ("status", 401, {}, said), ("status", 500, {"x-should-retry": "false"}, said),
        ("status", 429, {"Retry-After": "9999"}, said),
    ]  # fmt: skip
    for step in steps:
        with serving(step) as server, pytest.raises((InputError, ConnectionError)) as caught:
            llm(f"{server.url}/{KEY[:8]}", journal, key=KEY).candidates(of[0])
        assert leaks(str(caught.value)) == []
        assert KEY[:8] not in str(caught.value)
    with serving(("status", 400, {}, said), ("answer", answer(sentences=[said]))) as server:
        asked = llm(server.url, journal, key=KEY)
        assert asked.candidates(of[0]) == "refused"
        asked.candidates(of[1])
    assert leaks(journal.path.read_text()) == []


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "key"),
    [("host/v1", ""), ("file:///etc/passwd", ""), ("https://u:secret@h", ""), ("http:", ""),
     ("http://host/v1?key=secret", ""), ("http://[::1", ""), ("http://host:99999/v1", ""),
     ("http://host/a b", ""), ("http://host/v1", "secret\nline"), ("http://host/v1", "sécret")],
)  # fmt: skip
def test_an_address_or_key_that_cannot_be_sent_is_refused_unseen(
    journal: Journal, url: str, key: str
) -> None:
    with pytest.raises(InputError) as caught:
        LLM(journal, url=url, model="m", key=key)
    assert "cret" not in str(caught.value)


def test_without_the_client_the_extra_is_named(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match="enrich"):
        llm("http://host", journal)


def test_the_environment_says_what_it_lacks(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UWE_LLM_URL", raising=False)
    monkeypatch.setenv("UWE_LLM_MODEL", "m")
    monkeypatch.setenv("UWE_LLM_KEY", "k")
    with pytest.raises(InputError, match="UWE_LLM_URL"):
        read_endpoint()
    monkeypatch.setenv("UWE_LLM_URL", "http://host")
    assert read_endpoint() == ("http://host", "m", "k")
    with pytest.raises(InputError, match="timeout"):
        LLM(journal, *read_endpoint(), timeout=0)
