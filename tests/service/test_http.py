"""The service over HTTP: its answers, its limits, its errors, its logs."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

import uwe
from tiny_model import write_roles
from uwe.service import engine as engine_module
from uwe.service.app import Settings, make_app
from uwe.service.logs import JsonLines
from uwe.service.spaces import Spaces

# A process that serves switches them off; pytest switches them on again for each test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::uwe.language.LanguageWarning"),
    pytest.mark.filterwarnings("ignore::uwe.encoder.truncation.TruncationWarning"),
]

SKILLS = ["SQL", "contract law", "prepare desserts", "work in teams", "use spreadsheets software"]
ADVERT = """Data Analyst, Leeds

Requirements:
- Good knowledge of SQL
- 🧁 Able to work well in a team
"""


@pytest.fixture(scope="module")
def skills(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        uwe.load(),
        SKILLS,
        path=tmp_path_factory.mktemp("service") / "skills.uwe",
        ids=[f"S-{i}" for i in range(len(SKILLS))],
        aliases=[["structured query language"], [], ["patisserie"], [], ["Excel"]],
        metadata={"family": ["IT", "law", "food", "soft", "IT"], "level": [3, 5, 2, 1, None]},
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_roles(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def settings(skills: uwe.TargetCache, tiny: Path) -> Settings:
    return Settings(spaces=(str(skills.path), f"roles={tiny}"))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(make_app(settings), raise_server_exceptions=False) as client:
        yield client


def _problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in response.text
    found: dict[str, Any] = response.json()
    assert found["status"] == status
    assert found["request_id"] == response.headers["x-request-id"]
    return found


def test_rank_answers_as_the_library_does(client: TestClient, skills: uwe.TargetCache) -> None:
    query = "cake baker, pastries"
    answer = client.post("/v1/rank", json={"query": query, "k": 3}).json()
    assert answer["targets"] == "skills"
    (ranking,) = answer["rankings"]
    assert ranking["matches"] == [match.to_dict() for match in uwe.rank(query, skills, k=3)]
    assert (ranking["query"], ranking["language"], ranking["truncated"]) == (query, None, False)


def test_several_queries_and_every_option(client: TestClient, skills: uwe.TargetCache) -> None:
    queries = ["SQL databases", "pastry chef", "law " * 400]
    options: dict[str, Any] = {
        "k": 2, "where": {"family": ["IT", "food"]}, "min_score": 0.1, "min_confidence": 0.01,
        "kind": "keyword", "abbreviations": False,
    }  # fmt: skip
    answer = client.post("/v1/rank", json={"queries": queries, "targets": "skills", **options})
    found = [ranking["matches"] for ranking in answer.json()["rankings"]]
    with pytest.warns(uwe.TruncationWarning):
        expected = uwe.rank_many(queries, skills, **options)
    assert found == [[match.to_dict() for match in ranking] for ranking in expected]
    truncated = [ranking["truncated"] for ranking in answer.json()["rankings"]]
    assert truncated == [False, False, True]


def test_words_say_what_earned_a_match(client: TestClient) -> None:
    asked = {"queries": ["Sr. Excel user", "law " * 400, "Excel"], "k": 1, "words": True}
    rankings = client.post("/v1/rank", json=asked).json()["rankings"]
    (match,) = rankings[0]["matches"]
    assert match["words"][0]["text"] == "Excel"
    shares = [word["share"] for word in match["words"]]
    assert shares == sorted(shares, reverse=True)
    assert [ranking["truncated"] for ranking in rankings] == [False, True, False]


def test_words_are_for_as_many_matches_as_a_request_may_have(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MOST_WITH_WORDS", 6)
    asked = {"queries": ["Excel", "law", "cake"], "k": 4, "words": True}
    for ranking in client.post("/v1/rank", json=asked).json()["rankings"]:
        assert ["words" in match for match in ranking["matches"]] == [True, True, False, False]


def test_a_foreign_query_is_told(client: TestClient) -> None:
    asked = {"query": "Ich suche eine Stelle als Krankenpfleger in der Nähe von München"}
    assert client.post("/v1/rank", json=asked).json()["rankings"][0]["language"] == "German"


def test_requests_at_once_are_answered_each_with_its_own(
    client: TestClient, skills: uwe.TargetCache
) -> None:
    queries = [f"{word} {number}" for word in ("SQL", "desserts", "law") for number in range(8)]

    def ask(number: int) -> list[Any]:
        asked = {"query": queries[number], "k": 1 + number % 3}
        matches: list[Any] = client.post("/v1/rank", json=asked).json()["rankings"][0]["matches"]
        return matches

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(len(queries))))
    for number, (query, matches) in enumerate(zip(queries, found, strict=True)):
        expected = [match.to_dict() for match in uwe.rank(query, skills, k=1 + number % 3)]
        for one in (*matches, *expected):  # a batch's shape may round a token vector otherwise
            one["score"], one["confidence"] = (
                round(one["score"], 4), round(one["confidence"], 3),
            )  # fmt: skip
        assert matches == expected


def test_extract_answers_as_the_library_does(client: TestClient, skills: uwe.TargetCache) -> None:
    answer = client.post("/v1/extract", json={"text": ADVERT}).json()
    expected = uwe.extract(ADVERT, skills).to_dict()
    assert answer["extractions"] == [json.loads(json.dumps(expected))]
    for finding in answer["extractions"][0]["findings"]:
        for place in finding["places"]:
            assert ADVERT[place["start"] : place["end"]] == place["text"]
    several = client.post("/v1/extract", json={"texts": [ADVERT, "pastry"], "min_confidence": 0.9})
    assert len(several.json()["extractions"]) == 2


def test_explain_answers_as_the_library_does(client: TestClient, skills: uwe.TargetCache) -> None:
    for target in ("use spreadsheets software", "S-4", 4):
        answer = client.post("/v1/explain", json={"query": "Excel user", "target": target}).json()
        expected = uwe.explain("Excel user", skills, 4)
        assert answer["label"] == expected.label
        assert np.allclose(answer["cells"], expected.cells)


def test_spaces_tell_what_can_be_asked(client: TestClient) -> None:
    skills, roles = client.get("/v1/spaces").json()["spaces"]
    assert (skills["name"], skills["targets"], skills["extracts"]) == ("skills", 5, True)
    assert skills["columns"] == [
        {"name": "family", "values": ["IT", "food", "law", "soft"]},
        {"name": "level", "values": [1, 2, 3, 5]},
    ]
    assert (roles["name"], roles["extracts"]) == ("roles", False)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("rank", {}, "body"),
        ("rank", {"query": "a", "queries": ["a"]}, "body"),
        ("rank", {"query": " \n"}, "query"),
        ("rank", {"query": 3}, "query"),
        ("rank", {"query": "a" * 10_001}, "query"),
        ("rank", {"queries": []}, "queries"),
        ("rank", {"queries": ["a"] * 101}, "queries"),
        ("rank", {"queries": ["a", ""]}, "queries.1"),
        ("rank", {"query": "a", "k": 0}, "k"),
        ("rank", {"query": "a", "k": 1001}, "k"),
        ("rank", {"query": "a", "k": "10"}, "k"),
        ("rank", {"query": "a", "k": None}, "k"),
        ("rank", {"query": "a", "min_confidence": 1.1}, "min_confidence"),
        ("rank", {"query": "a", "kind": "poem"}, "kind"),
        ("rank", {"query": "a", "top": 3}, "top"),
        ("rank", {"query": "a", **{f"field{i}": i for i in range(10_000)}}, "body"),
        ("rank", {"query": "a", "where": {"family": [{}] * 1000}}, "where.family.0"),
        ("extract", {"text": "a" * 100_001}, "text"),
        ("extract", {"texts": ["a"] * 9}, "texts"),
        ("extract", {}, "body"),
        ("rank", {"query": "a", "where": {"family": [{}]}}, "where.family.0"),
        ("explain", {"query": "a"}, "target"),
        ("explain", {"query": "a", "target": -1}, "target"),
    ],
)
def test_a_malformed_request_is_told_its_field(
    client: TestClient, path: str, body: dict[str, Any], field: str
) -> None:
    found = _problem(client.post(f"/v1/{path}", json=body), 422)
    assert field in {error["field"] for error in found["errors"]}
    assert "should" not in found["detail"]
    assert "[^" not in found["detail"]  # a pattern
    assert len(found["errors"]) < 10


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[1]", b"null", b'{"query": "\\ud800"}', b'{"query": "\xff"}', b"[" * 100_000,
     b'{"query": "a", "min_score": NaN}', b'{"query": "a", "k": 1e400}'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(client: TestClient, body: bytes) -> None:
    sent = client.post("/v1/rank", content=body, headers={"Content-Type": "application/json"})
    _problem(sent, 422)


def test_a_body_that_is_not_said_to_be_json_is_told_so(client: TestClient) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/rank", content=b'{"query": "a"}', headers=headers)
    assert "Content-Type: application/json" in _problem(answer, 415)["detail"]


def test_what_does_not_fit_the_space_is_refused(client: TestClient) -> None:
    def rank(status: int, **body: Any) -> str:
        detail: str = _problem(client.post("/v1/rank", json=body), status)["detail"]
        return detail

    assert "skills, roles" in rank(404, query="a", targets="towns")
    assert "family, level" in rank(404, query="a", where={"town": "Leeds"})
    assert "level" in rank(422, query="a", where={"level": "high"})
    assert "calibration" in rank(422, query="data", targets="roles", min_confidence=0.5)
    answer = client.post("/v1/extract", json={"text": "data", "targets": "roles"})
    assert "skill head" in _problem(answer, 422)["detail"]
    answer = client.post("/v1/explain", json={"query": "a", "target": "towns"})
    assert "towns" in _problem(answer, 404)["detail"]


def test_other_paths_and_methods(client: TestClient) -> None:
    for path in ("/v1/ranks", "/v1/spaces/", "//v1/spaces"):
        assert "/docs" in _problem(client.get(path, follow_redirects=False), 404)["detail"]
    assert "POST" in client.get("/v1/rank").headers["allow"]
    assert "POST" in _problem(client.get("/v1/rank"), 405)["detail"]


def test_only_names_of_this_machine_are_answered_for_if_told(settings: Settings) -> None:
    with TestClient(make_app(replace(settings, local=True))) as client:
        for host in ("localhost:8000", "127.0.0.1", "[::1]:8000", "LOCALHOST"):
            assert client.get("/v1/spaces", headers={"Host": host}).status_code == 200
        for host in ("skills.example.org", "127.0.0.1.example.org", "localhost:80@example.org", ""):
            answer = client.get("/v1/spaces", headers={"Host": host})
            assert "Host: localhost" in _problem(answer, 421)["detail"]


def test_a_client_that_leaves_frees_its_place(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "uwe.service")
    held = Held(monkeypatch)
    body = b'{"query": "a"}'
    scope = {
        "type": "http", "method": "POST", "path": "/v1/rank", "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip

    async def ask(*messages: dict[str, Any]) -> list[Any]:
        coming, sent = list(messages), list[Any]()

        async def receive() -> Any:
            return coming.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await client.app(dict(scope), receive, send)
        return sent

    assert client.portal is not None
    gone = {"type": "http.disconnect"}
    for more in (False, True):  # after its request, or in the middle
        asked = {"type": "http.request", "body": body, "more_body": more}
        assert client.portal.call(ask, asked, gone) == []
        assert caplog.records[-1].__dict__["fields"]["status"] == 499
    held.go.set()
    assert client.post("/v1/rank", json={"query": "b"}).status_code == 200


def test_a_large_body_is_refused_whether_or_not_it_says_its_length(settings: Settings) -> None:
    with TestClient(make_app(replace(settings, most_bytes=2000))) as client:
        assert client.post("/v1/rank", json={"query": "a" * 1000}).status_code == 200
        assert (
            "2000 bytes"
            in _problem(client.post("/v1/rank", json={"query": "a" * 3000}), 413)["detail"]
        )
        pieces = iter([b'{"query": "', *([b"a" * 500] * 6), b'"}'])
        headers = {"Content-Type": "application/json"}
        _problem(client.post("/v1/rank", content=pieces, headers=headers), 413)


class Held:
    """Ranking that waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.running = threading.Event(), threading.Event()
        self._rank_stream = uwe.rank_stream
        monkeypatch.setattr(engine_module, "rank_stream", self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.running.set()
        self.go.wait(30)
        return self._rank_stream(*args, **kwargs)


def test_a_full_queue_and_a_slow_answer_are_told_apart(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(replace(settings, most_waiting=2, seconds=0.5))
    with TestClient(app) as client, ThreadPoolExecutor(2) as pool:
        held = Held(monkeypatch)
        first = pool.submit(client.post, "/v1/rank", json={"query": "a"})
        held.running.wait(30)
        second = pool.submit(client.post, "/v1/rank", json={"queries": ["b", "c"]})
        while 'uwe_waiting{operation="rank"} 2.0' not in client.get("/metrics").text:
            pass
        full = client.post("/v1/rank", json={"query": "d"})
        assert "2 texts wait" in _problem(full, 429)["detail"]
        assert full.headers["retry-after"] == "1"
        for late in (first, second):
            assert "0.5 seconds" in _problem(late.result(), 503)["detail"]
            assert "retry-after" in late.result().headers
        held.go.set()
        # What nobody waits for any more is not ranked.
        assert client.post("/v1/rank", json={"query": "e"}).status_code == 200


def test_a_fault_of_the_service_shows_in_its_log_alone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("secret path")

    monkeypatch.setattr(engine_module, "rank_stream", broken)
    answer = client.post("/v1/rank", json={"query": "a"})
    assert "secret" not in answer.text
    request_id = _problem(answer, 500)["request_id"]
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.fields["request_id"] == request_id  # type: ignore[attr-defined]
    monkeypatch.undo()
    assert client.post("/v1/rank", json={"query": "a"}).status_code == 200


def test_the_api_key(settings: Settings) -> None:
    with TestClient(make_app(replace(settings, api_key="s3cret"))) as client:
        asked = {"query": "a"}
        for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic s3cret"}):
            answer = client.post("/v1/rank", json=asked, headers=headers)
            assert "Bearer" in _problem(answer, 401)["detail"]
            assert answer.headers["www-authenticate"] == "Bearer"
        _problem(client.get("/metrics"), 401)
        assert client.get("/openapi.json").json()["security"] == [{"key": []}]
        headers = {"Authorization": "Bearer s3cret"}
        assert client.post("/v1/rank", json=asked, headers=headers).status_code == 200
        assert client.get("/metrics", headers=headers).status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/").status_code == 200


def test_what_waits_for_the_service_is_told_once_it_can_answer(settings: Settings) -> None:
    told: list[int] = []
    app = make_app(settings, on_ready=lambda: told.append(1))
    assert not told
    with TestClient(app) as client:
        assert told == [1]
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/", "/page.js", "/healthz", "/readyz", "/metrics"])
def test_a_monitor_may_ask_for_heads(client: TestClient, path: str) -> None:
    asked, got = client.head(path), client.get(path)
    assert asked.status_code == got.status_code == 200
    assert asked.headers["content-type"] == got.headers["content-type"]


def test_request_ids_come_back(client: TestClient) -> None:
    given = client.get("/healthz", headers={"X-Request-ID": "abc-1.2"})
    assert given.headers["x-request-id"] == "abc-1.2"
    for odd in ("", "a b", "x" * 200, "a\tb"):
        made = client.get("/healthz", headers={"X-Request-ID": odd}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{32}", made)


def test_the_log_has_no_texts_unless_asked(
    client: TestClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "uwe.service")
    client.post("/v1/rank", json={"queries": ["my private title", "another"]})
    client.post("/v1/rank", json={"query": "my private title", "k": 0})
    fields = [record.__dict__["fields"] for record in caplog.records]
    assert "private" not in str(fields)
    assert (fields[0]["texts"], fields[0]["targets"], fields[0]["status"]) == (2, "skills", 200)
    assert fields[1]["status"] == 422
    with TestClient(make_app(replace(settings, log_texts=True))) as telling:
        telling.post("/v1/rank", json={"query": "a public title"})
    assert caplog.records[-1].__dict__["fields"]["said"] == ["a public title"]


def test_metrics_count_what_was_asked(settings: Settings) -> None:
    with TestClient(make_app(settings)) as client:
        client.post("/v1/rank", json={"queries": ["a", "b"]})
        client.post("/v1/rank", json={})
        client.get("/v1/rank/../../etc/passwd")
        client.get("/wp-login.php")
        found = client.get("/metrics").text
    assert 'uwe_requests_total{path="/v1/rank",status="200"} 1.0' in found
    assert 'uwe_requests_total{path="/v1/rank",status="422"} 1.0' in found
    assert 'uwe_requests_total{path="other",status="404"} 2.0' in found
    assert 'uwe_texts_total{path="/v1/rank"} 2.0' in found
    assert 'uwe_waiting{operation="rank"} 0.0' in found
    assert "passwd" not in found
    assert "wp-login" not in found


def test_health_before_and_after(settings: Settings) -> None:
    client = TestClient(make_app(settings))  # not entered: it has not started
    assert client.get("/healthz").status_code == 200
    _problem(client.get("/readyz"), 503)
    _problem(client.post("/v1/rank", json={"query": "a"}), 503)
    with client:
        assert client.get("/readyz").status_code == 200
    _problem(client.get("/readyz"), 503)


def test_the_page_and_the_documentation_load_nothing_from_elsewhere(client: TestClient) -> None:
    for path in ("/", "/docs"):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("text/html")
        assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", answer.text)
        for linked in re.findall(r"""(?:src|href)=["'](/[^"']+)""", answer.text):
            assert client.get(linked).status_code == 200, linked
    policy = client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "access-control-allow-origin" not in client.get("/v1/spaces").headers


def test_a_space_that_was_rebuilt_is_served_anew(
    skills: uwe.TargetCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uwe.service.spaces._LOOK_SECONDS", 0.0)
    path = tmp_path / "own.uwe"
    uwe.TargetCache.build(skills.model, ["baker"], path=path)
    with TestClient(make_app(Settings(spaces=(str(path),)))) as client:

        def labels() -> list[str]:
            answer = client.post("/v1/rank", json={"query": "makes bread"}).json()
            return [match["label"] for match in answer["rankings"][0]["matches"]]

        assert labels() == ["baker"]
        uwe.TargetCache.build(skills.model, ["pastry chef"], path=path)
        assert labels() == ["pastry chef"]
        assert client.get("/v1/spaces").json()["spaces"][0]["targets"] == 1
        # A filter may name a column that is new.
        columns = {"family": ["food"]}
        uwe.TargetCache.build(skills.model, ["pastry chef"], path=path, metadata=columns)
        asked = {"query": "makes bread", "where": {"family": "food"}}
        assert client.post("/v1/rank", json=asked).status_code == 200
        # Damage leaves what was open in use.
        (path / "manifest.json").write_text("{}")
        assert labels() == ["pastry chef"]
        (path / "manifest.json").unlink()
        assert labels() == ["pastry chef"]


@pytest.fixture
def baker(
    skills: uwe.TargetCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> uwe.TargetCache:
    """A cache that is looked at with every request."""
    for name in ("_LOOK_SECONDS", "_RETRY_SECONDS"):
        monkeypatch.setattr(f"uwe.service.spaces.{name}", 0.0)
    return uwe.TargetCache.build(skills.model, ["baker"], path=tmp_path / "own.uwe")


def test_a_space_that_could_not_be_opened_is_tried_again(
    baker: uwe.TargetCache, tmp_path: Path
) -> None:
    spaces = Spaces([str(baker.path)])
    before = set(baker.path.iterdir())
    baker.append(["pastry chef"])
    (new,) = set(baker.path.glob("segment-*")) - before
    new.rename(tmp_path / "on its way")
    assert len(spaces.cache("own")) == 1
    (tmp_path / "on its way").rename(new)
    assert len(spaces.cache("own")) == 2


def test_a_space_that_changes_while_it_is_opened_is_opened_again(
    baker: uwe.TargetCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Spaces._opened

    def and_then_another(spaces: Spaces, source: str) -> uwe.TargetCache:
        found = opened(spaces, source)
        baker.append(["pastry chef"])
        return found

    with monkeypatch.context() as patched:
        patched.setattr(Spaces, "_opened", and_then_another)
        spaces = Spaces([str(baker.path)])
    assert len(spaces.cache("own")) == 2


@pytest.mark.parametrize("where", [None, {"family": None}, {"family": ["IT", None]}])
def test_a_filter_may_be_null(client: TestClient, where: object) -> None:
    assert client.post("/v1/rank", json={"query": "x", "where": where}).status_code == 200


def test_a_filter_of_thousands_of_columns_is_refused_in_one_line(client: TestClient) -> None:
    where = {str(i): None for i in range(20_000)}
    answer = client.post("/v1/rank", json={"query": "x", "where": where})
    assert answer.status_code == 422
    assert len(answer.content) < 10_000
    wrong = {"query": "x", "where": {str(i): {} for i in range(20)}}
    assert len(client.post("/v1/rank", json=wrong).json()["errors"]) == 20


def test_spaces_share_a_model_and_say_what_is_wrong(
    skills: uwe.TargetCache, tmp_path: Path
) -> None:
    other = uwe.TargetCache.build(uwe.load(), ["baker"], path=tmp_path / "other.uwe")
    own = Spaces([f"esco-skills={other.path}"]).descriptions()[0]
    assert (own["title"], own["version"], own["attribution"]) == ("esco-skills", None, "")
    spaces = Spaces([str(skills.path), str(other.path)])
    assert spaces.cache("skills").model is spaces.cache("other").model
    with pytest.raises(uwe.InputError, match="twice"):
        Spaces([str(skills.path), f"skills={other.path}"])
    with pytest.raises(uwe.InputError, match="esco-occupations"):
        Spaces(["esco-town"])
    with pytest.raises(uwe.CacheNotFoundError):
        Spaces([str(tmp_path / "none" / "x.uwe")])
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OSError, match="symbolic links"):
        Spaces([str(tmp_path / "round")])
    for text in ("=folder", "name="):
        with pytest.raises(uwe.InputError, match="NAME=FOLDER"):
            Spaces([text])


def test_a_line_of_the_log_is_one_of_plain_characters() -> None:
    record = logging.LogRecord("uwe.service", logging.INFO, "", 0, "request", None, None)
    path = "/\x9b31m\u2028\u202e\n\x1b"
    record.__dict__["fields"] = {"path": path}
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["path"] == path
