"""The key of an endpoint is in no journal and no message, however the endpoint spells it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from enrich.llm_server import answer, completion, serving
from uwe.enrich.hiding import Hider
from uwe.enrich.journal import Journal
from uwe.enrich.provider import Endpoint, RefusedError, UnansweredError
from uwe.errors import InputError

KEY = "sk-proj-Zy9/Xw8+Vu7\"Ts6'Rq5&Po4\\Nm3=="

SPELLINGS: dict[str, Callable[[str], str]] = {
    "verbatim": str,
    "json": lambda key: json.dumps(key)[1:-1],
    "json twice": lambda key: json.dumps(json.dumps(key))[1:-1],
    "json slashes": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "escaped": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "hexadecimal escapes": lambda key: "".join(f"\\x{ord(c):02X}" for c in key),
    "url": lambda key: quote(key, safe=""),
    "whole url": lambda key: "".join(f"%{ord(c):02x}" for c in key),
    "url twice": lambda key: quote(quote(key, safe=""), safe=""),
    "html": html.escape,
    "html numbers": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "html hex": lambda key: "".join(f"&#x{ord(c):x};" for c in key),
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
    """Nine characters of the key, or of a spelling of it, that a text has."""
    found = []
    for spell in SPELLINGS.values():
        spelt = spell(KEY)
        found += [spelt[i : i + 12] for i in range(len(spelt) - 11) if spelt[i : i + 12] in text]
    return [part for part in found if part.strip("\\u0&#x;%5 ")]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_it_is_hidden_in_every_spelling(spelling: str) -> None:
    shown = Hider(KEY).hide(f"wrong key {SPELLINGS[spelling](KEY)} for https://host/v1")
    assert leaks(shown) == []
    assert "[key]" in shown
    assert shown.startswith("wrong key ")
    assert shown.endswith(" for https://host/v1")


def test_other_texts_stay_as_they_are() -> None:
    text = 'You "manage" 100 % of \\u00e9, %20, &amp; &#233; \\ and skills\n' * 20
    for key in (KEY, "", "k", "EMPTY", "sk-secretary-of-state"):
        assert Hider(key).hide(text) == text


def test_a_short_key_is_hidden_as_a_word() -> None:
    assert Hider("abc1").hide("key abc1, abc12 ABC1") == "key [key], abc12 [key]"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_message_and_no_answer_has_it(spelling: str, tmp_path: Path) -> None:
    said = f"Incorrect API key provided: {SPELLINGS[spelling](KEY)}."
    steps: list[tuple[Any, ...]] = [("status", code, {}, said) for code in (401, 400, 500)]
    steps += [("body", said.encode()), ("status", 429, {"Retry-After": "9999"}, said)]
    for step in steps:
        with serving(step) as server:
            endpoint = Endpoint(server.url, "m", KEY, attempts=2, sleep=lambda _: None)
            with pytest.raises((InputError, UnansweredError)) as caught:
                endpoint.complete({"messages": [], "max_tokens": 5})
        assert leaks(str(caught.value)) == []
        if isinstance(caught.value, RefusedError):
            assert leaks(caught.value.problem) == []
    with serving(("body", completion(answer(sentences=[said])))) as server:
        done = Endpoint(server.url, "m", KEY).complete({"messages": [], "max_tokens": 5})
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.add("a", done.text, model="m", version="1", skill="s", tokens=1)
    assert leaks((tmp_path / "j.jsonl").read_text()) == []


def test_an_address_with_the_key_in_it_is_shown_without() -> None:
    with serving(("status", 500, {})) as server:
        endpoint = Endpoint(f"{server.url}/{KEY[:20]}", "m", KEY[:20], attempts=1)
        with pytest.raises(UnansweredError) as caught:
            endpoint.complete({"messages": [], "max_tokens": 5})
    assert KEY[:20] not in str(caught.value)
