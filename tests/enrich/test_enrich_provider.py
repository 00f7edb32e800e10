"""The endpoint: patient with what passes, quick to give up what does not, and silent about keys."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from enrich.llm_server import LlmServer, answer, completion, serving
from uwe.enrich.provider import Endpoint, RefusedError, UnansweredError, _retry_after
from uwe.errors import InputError

PAYLOAD = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5, "seed": 0}


class Pauses:
    """Sleeps not at all, a clock that only sleeping moves, and a count of lost attempts."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.lost = 0

    def lose(self) -> None:
        self.lost += 1

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def clock(self) -> float:
        return sum(self.slept)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return Pauses()


def endpoint(server: LlmServer, pauses: Pauses, **settings: Any) -> Endpoint:
    return Endpoint(
        server.url, "m", "sk-secret", sleep=pauses.sleep, clock=pauses.clock, **settings
    )


def test_a_request_has_what_the_protocol_asks_for(pauses: Pauses) -> None:
    with serving(("answer", "yes")) as server:
        done = endpoint(server, pauses).complete(PAYLOAD, lost=pauses.lose)
    assert (done.text, done.tokens, pauses.lost) == ("yes", 100, 0)
    assert server.requests == [{"model": "m", **PAYLOAD}]
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert pauses.slept == []


def test_a_server_without_a_key_gets_none(pauses: Pauses) -> None:
    with serving(("answer", "yes")) as server:
        Endpoint(f"{server.url}/chat/completions", "m").complete(PAYLOAD)
    assert "Authorization" not in server.headers[0]
    assert server.paths == ["/v1/chat/completions"]


def test_too_many_requests_wait_as_long_as_they_are_told(pauses: Pauses) -> None:
    date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=30), usegmt=True)
    with serving(
        ("status", 429, {"Retry-After": "7"}),
        ("status", 429, {"Retry-After": date}),
        ("status", 429, {"Retry-After": "soon"}),
        ("answer", "yes"),
    ) as server:
        assert endpoint(server, pauses).complete(PAYLOAD).text == "yes"
    assert pauses.slept[0] == 7
    assert 25 < pauses.slept[1] <= 30
    assert pauses.slept[2] == 4  # the third wait of its own


def test_a_wait_without_end_is_not_waited_for(pauses: Pauses) -> None:
    with (
        serving(("status", 429, {"Retry-After": "86400"})) as server,
        pytest.raises(UnansweredError, match="asks to wait 86400 seconds"),
    ):
        endpoint(server, pauses).complete(PAYLOAD)
    assert pauses.slept == []


def test_errors_of_the_server_are_tried_again_ever_later(pauses: Pauses) -> None:
    steps: list[tuple[Any, ...]] = [("status", code, {}) for code in (500, 503, 504)]
    with serving(*steps, ("drop",), ("answer", "y")) as server:
        done = endpoint(server, pauses).complete(PAYLOAD, lost=pauses.lose)
    assert done.text == "y"
    assert pauses.slept == [1, 2, 4, 8]
    # Behind the gateway a model may go on, and the dropped connection had taken the request.
    assert pauses.lost == 2


def test_it_gives_up_and_says_what_to_do(pauses: Pauses) -> None:
    with (
        serving(("status", 500, {})) as server,
        pytest.raises(UnansweredError, match=r"none in 3 attempts.*status 500.*go on") as found,
    ):
        endpoint(server, pauses, attempts=3).complete(PAYLOAD)
    assert len(server.requests) == 3
    assert "sk-secret" not in str(found.value)
    assert "[key]" in str(found.value)


@pytest.mark.parametrize("step", [("slow", 1.0), ("drip", 1.0)])
def test_a_slow_answer_is_given_up(pauses: Pauses, step: tuple[str, float]) -> None:
    with serving(step, ("answer", "quick")) as server:
        done = endpoint(server, pauses, timeout=0.15).complete(PAYLOAD, lost=pauses.lose)
    assert done.text == "quick"
    assert pauses.lost == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[" * 100_000,
        b'{"choices": [',
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"text": 1}]}',
    ],
)
def test_a_broken_body_is_asked_for_again(pauses: Pauses, body: bytes) -> None:
    with serving(("body", body), ("answer", "whole")) as server:
        done = endpoint(server, pauses).complete(PAYLOAD, lost=pauses.lose)
    assert (done.text, pauses.lost) == ("whole", 1)


def test_a_refusal_is_an_empty_answer(pauses: Pauses) -> None:
    body = completion("x").replace(b'"x"', b"null").replace(b"100", b'"many"')
    with serving(("body", body)) as server:
        done = endpoint(server, pauses).complete(PAYLOAD)
    assert (done.text, done.tokens) == ("", None)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422])
def test_what_can_not_get_better_is_not_tried_again(pauses: Pauses, code: int) -> None:
    with (
        serving(("status", code, {})) as server,
        pytest.raises(InputError, match=rf"status {code}.*correct UWE_LLM_URL") as found,
    ):
        endpoint(server, pauses).complete(PAYLOAD)
    assert len(server.requests) == 1
    assert "sk-secret" not in str(found.value)
    assert isinstance(found.value, RefusedError) is (code in (400, 413, 422))


def test_a_limit_goes_by_the_newer_name_once_the_endpoint_asks_for_it(pauses: Pauses) -> None:
    said = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with serving(("status", 400, {}, said), ("answer", "yes")) as server:
        newer = endpoint(server, pauses, attempts=1)
        assert [newer.complete(PAYLOAD).text for _ in range(2)] == ["yes", "yes"]
    assert [request.get("max_tokens") for request in server.requests] == [5, None, None]
    assert [request.get("max_completion_tokens") for request in server.requests] == [None, 5, 5]
    with (
        serving(("status", 400, {}, said)) as server,
        pytest.raises(RefusedError, match="max_completion_tokens"),
    ):
        endpoint(server, pauses).complete(PAYLOAD)
    assert len(server.requests) == 2


def test_a_redirection_does_not_take_the_key_along(pauses: Pauses) -> None:
    with (
        serving(("answer", answer())) as other,
        serving(("status", 302, {"Location": other.url})) as server,
        pytest.raises(InputError, match="status 302"),
    ):
        endpoint(server, pauses).complete(PAYLOAD)
    assert other.requests == []


def test_no_connection_costs_nothing(pauses: Pauses) -> None:
    with serving(("answer", "x")) as server:
        gone = endpoint(server, pauses, attempts=2)
    with pytest.raises(UnansweredError, match="no connection"):
        gone.complete(PAYLOAD, lost=pauses.lose)
    assert pauses.lost == 0


def test_the_pace_is_kept(pauses: Pauses) -> None:
    with serving(("answer", "x")) as server:
        slow = endpoint(server, pauses, requests_per_minute=20)
        for _ in range(3):
            slow.complete(PAYLOAD)
    assert pauses.slept == [3, 3]


def test_the_key_is_not_shown() -> None:
    assert "sk-secret" not in repr(Endpoint("https://host/v1", "m", "sk-secret"))


@pytest.mark.parametrize("url", ["host/v1", "file:///etc/passwd", "https://u:sk-secret@h", "http:"])
def test_a_wrong_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InputError, match="UWE_LLM_URL") as found:
        Endpoint(url, "m")
    assert "sk-secret" not in str(found.value)


def test_the_environment_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UWE_LLM_URL", raising=False)
    monkeypatch.setenv("UWE_LLM_MODEL", "m")
    with pytest.raises(InputError, match="not set: UWE_LLM_URL: set them"):
        Endpoint.from_environment()
    monkeypatch.setenv("UWE_LLM_URL", "http://host")
    monkeypatch.setenv("UWE_LLM_KEY", "k")
    found = Endpoint.from_environment(timeout=3.0)
    assert (found.url, found.model, found.key, found.timeout) == ("http://host", "m", "k", 3.0)
    with pytest.raises(InputError, match="expected requests_per_minute above 0, got 0"):
        Endpoint.from_environment(requests_per_minute=0)


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://host/v1?key=secret", ""),
        ("http://[::1", ""),
        ("http://host:99999/v1", ""),
        ("http://host/a b", ""),
        ("http://host/v1", "secret\nline"),
        ("http://host/v1", "sécret"),
    ],
)
def test_an_address_or_key_that_can_not_be_sent_is_refused_unseen(url: str, key: str) -> None:
    with pytest.raises(InputError, match="expected UWE_LLM") as caught:
        Endpoint(url, "model", key=key)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_wait_that_is_no_number_of_seconds_is_passed_over(value: str) -> None:
    assert _retry_after(value) is None
