"""The tools of agents, called by the SDK's own client: in memory, over stdio, over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import jsonschema  # type: ignore[import-untyped]
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server
from mcp.types import CallToolResult, Tool

import uwe
from cli_shell import Shell
from tiny_model import write_roles
from uwe.errors import CacheNotFoundError
from uwe.service.engine import Engine
from uwe.service.mcp import make_server
from uwe.service.spaces import Spaces

# A process that serves switches them off; pytest switches them on again for each test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::uwe.language.LanguageWarning"),
    pytest.mark.filterwarnings("ignore::uwe.encoder.truncation.TruncationWarning"),
]

R = TypeVar("R")
SKILLS = ["SQL", "contract law", "prepare desserts", "work in teams"]
ADVERT = "Data Analyst, Leeds\n\nRequirements:\n- Good knowledge of SQL\n- 🧁 Work in a team\n"


@pytest.fixture(scope="module")
def skills(tmp_path_factory: pytest.TempPathFactory) -> uwe.TargetCache:
    return uwe.TargetCache.build(
        uwe.load(),
        SKILLS,
        path=tmp_path_factory.mktemp("mcp") / "skills.uwe",
        ids=[f"S-{i}" for i in range(len(SKILLS))],
        aliases=[["structured query language"], [], ["patisserie"], []],
        metadata={"family": ["IT", "law", "food", None], "index": [3.14159, 5, 2, 1]},
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_roles(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def names(skills: uwe.TargetCache, tiny: Path) -> list[str]:
    return [str(skills.path), f"roles={tiny}"]


@pytest.fixture(scope="module")
def server(names: list[str]) -> Server[Any]:
    opened: Future[Spaces] = Future()
    opened.set_result(Spaces(names))
    return make_server(names, opened)


def asked(server: Any, ask: Callable[[Client], Awaitable[R]], mode: str = "auto") -> R:
    async def run() -> R:
        async with Client(server, mode=mode, read_timeout_seconds=60) as client:
            return await ask(client)

    return asyncio.run(run())


def called(server: Any, tool: str, arguments: dict[str, Any] | None = None) -> CallToolResult:
    return asked(server, lambda client: client.call_tool(tool, arguments))


def answer(server: Any, tool: str, arguments: dict[str, Any] | None = None) -> Any:
    result = called(server, tool, arguments)
    assert not result.is_error, result
    return result.structured_content


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert content.type == "text"
    return content.text


def tools(server: Any) -> dict[str, Tool]:
    async def listed(client: Client) -> dict[str, Tool]:
        return {tool.name: tool for tool in (await client.list_tools()).tools}

    return asked(server, listed)


def test_tools_only_read_and_say_what_they_take(server: Server[Any]) -> None:
    found = tools(server)
    assert set(found) == {"rank", "extract", "explain", "spaces"}
    for tool in found.values():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.open_world_hint is False
        assert tool.output_schema is not None
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema)
        # What makers of language models refuse in the schema of a tool.
        assert not {"oneOf", "anyOf", "allOf"} & set(tool.input_schema)
        assert tool.input_schema["additionalProperties"] is False
        assert '"null"' not in json.dumps([tool.input_schema, tool.output_schema])
    arguments = found["rank"].input_schema["properties"]
    assert arguments["targets"]["enum"] == ["skills", "roles"]
    assert (arguments["k"]["minimum"], arguments["k"]["maximum"]) == (1, 1000)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_rank_answers_as_the_library_does_in_short(
    server: Server[Any], skills: uwe.TargetCache, mode: str
) -> None:
    query = "pâtissier, patisserie"
    arguments = {"query": query, "k": 2}
    result = asked(server, lambda client: client.call_tool("rank", arguments), mode)
    (ranking,) = result.structured_content["rankings"]
    wanted = []
    for match in uwe.rank(query, skills, k=2):
        one = match.to_dict()
        one["score"], one["confidence"] = round(match.score, 3), round(match.confidence or 0, 3)
        one["metadata"] = {n: value for n, value in one["metadata"].items() if value is not None}
        del one["index"]
        wanted.append({name: value for name, value in one.items() if value is not None})
    assert ranking["matches"] == wanted
    assert wanted[0]["alias"] == "patisserie"
    lines = text(result).splitlines()
    assert [line.split(" (")[0] for line in lines[-2:]] == [
        f"{place}. {match['label']}" for place, match in enumerate(wanted, 1)
    ]


def test_what_takes_room_comes_if_asked_for(server: Server[Any]) -> None:
    for words in (False, True):
        (ranking,) = answer(server, "rank", {"query": "SQL", "words": words})["rankings"]
        assert ("words" in ranking["matches"][0]) is words
        (found,) = answer(server, "extract", {"text": ADVERT, "words": words})["extractions"]
        assert ("words" in found["findings"][0]["places"][0]) is words


def test_extract_says_where(server: Server[Any]) -> None:
    result = called(server, "extract", {"texts": [ADVERT, "Free bread."]})
    first, second = result.structured_content["extractions"]
    assert {finding["label"] for finding in first["findings"]} == {"SQL", "work in teams"}
    for finding in first["findings"]:
        for place in finding["places"]:
            assert ADVERT[place["start"] : place["end"]] == place["text"]
            assert repr(place["text"]) in text(result)
    assert second["findings"] == []


def test_explain_shares_out_the_score(server: Server[Any]) -> None:
    arguments = {"query": "queries in SQL", "target": "S-0"}
    found = answer(server, "explain", arguments)
    assert found["label"] == "SQL"
    for words in (found["query_words"], found["target_words"]):
        assert sum(word["share"] for word in words) == pytest.approx(found["score"], abs=0.01)
    assert "queries 0." in text(called(server, "explain", arguments))


def test_spaces_give_values_that_a_filter_takes(server: Server[Any]) -> None:
    skills, roles = answer(server, "spaces")["spaces"]
    assert (skills["name"], skills["targets"], skills["extracts"]) == ("skills", 4, True)
    assert (roles["name"], roles["targets"], roles["extracts"]) == ("roles", 3, False)
    values = {column["name"]: column["values"] for column in skills["columns"]}
    assert values["index"] == [1, 2, 3.14159, 5]
    where = {"index": 3.14159, "family": ["IT"]}
    (ranking,) = answer(server, "rank", {"query": "law", "where": where})["rankings"]
    assert [match["label"] for match in ranking["matches"]] == ["SQL"]
    assert ranking["matches"][0]["metadata"] == {"index": 3.14159, "family": "IT"}


def test_answers_are_as_their_schemas_say(server: Server[Any]) -> None:
    schemas = {name: tool.output_schema for name, tool in tools(server).items()}
    for name, arguments in [
        ("rank", {"queries": ["Sr. SWE", "ein Bäcker, der gern Kuchen backt"], "words": True}),
        ("rank", {"query": "data spark", "targets": "roles", "min_score": 1e9}),
        ("extract", {"text": ADVERT, "words": True}),
        ("explain", {"query": "data", "target": 1, "targets": "roles"}),
        ("spaces", {}),
    ]:
        schema = schemas[name]
        assert schema is not None
        # Nothing but what the schema names.
        for one in (schema, *schema["$defs"].values()):
            one["additionalProperties"] = False
        jsonschema.validate(answer(server, name, arguments), schema)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("rank", {}, "exactly one of query and queries"),
        ("rank", {"query": "a", "queries": ["b"]}, "exactly one of query and queries"),
        ("rank", {"query": None}, "exactly one of query and queries"),
        ("rank", {"query": " \n"}, "query: "),
        ("rank", {"query": 7}, "query: .*string"),
        ("rank", {"query": "\ud800"}, "query: .*unicode"),
        ("rank", {"query": "a" * 1_000_000}, "query: .*10000"),
        ("rank", {"queries": []}, "queries: .*at least 1"),
        ("rank", {"queries": ["a"] * 101}, "queries: .*100"),
        ("rank", {"queries": ["a", ""]}, r"queries\.1: "),
        ("rank", {"query": "a", "k": 0}, "k: .*1"),
        ("rank", {"query": "a", "k": 10**9}, "k: .*1000"),
        ("rank", {"query": "a", "k": "10"}, "k: .*integer"),
        ("rank", {"query": "a", "k": None}, "k: .*integer"),
        ("rank", {"query": "a", "min_confidence": 1.5}, "min_confidence: .*1"),
        ("rank", {"query": "a", "min_score": "high"}, "min_score: .*number"),
        ("rank", {"query": "a", "limit": 3}, "limit: "),
        ("rank", {"query": "a", "targets": "town"}, "skills, roles.*'town'"),
        ("rank", {"query": "a", "where": {"town": "Leeds"}}, "family, index.*'town'"),
        ("rank", {"query": "a", "where": {"family": {"a": {}}}}, r"where\.family: "),
        ("rank", {"query": "a", "targets": "roles", "min_confidence": 0.5}, "confidence"),
        ("extract", {"text": ""}, "text: "),
        ("extract", {"text": "a" * 100_001}, "text: .*100000"),
        ("extract", {"texts": ["a"] * 9}, "texts: .*8"),
        ("extract", {"text": ADVERT, "targets": "roles"}, "roles|skill head|model"),
        ("explain", {"query": "a"}, "target: "),
        ("explain", {"query": "a", "target": "astronomy"}, "'astronomy'"),
        ("explain", {"query": "a", "target": 2**40}, "target: .*2147483648"),
        ("spaces", {"name": "skills"}, "name: "),
    ],
)  # fmt: skip
def test_bad_input_is_told(
    server: Server[Any], tool: str, arguments: dict[str, Any], words: str
) -> None:
    result = called(server, tool, arguments)
    assert result.is_error
    assert re.search(words, text(result)), text(result)
    assert len(text(result)) < 1000
    assert result.structured_content is None


def test_an_unknown_tool_is_told(server: Server[Any]) -> None:
    async def ask(client: Client) -> str:
        with pytest.raises(MCPError) as raised:
            await client.call_tool("rnk")
        return str(raised.value)

    assert re.search("rank, extract, explain, spaces.*'rnk'", asked(server, ask))


def test_a_fault_of_ours_is_told_without_its_trace(
    server: Server[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Engine, "_rank", fail)
    result = called(server, "rank", {"query": "SQL"})
    assert result.is_error
    assert "secret" not in text(result)
    assert "secret" in caplog.text


def test_calls_wait_for_a_space_that_is_built(names: list[str]) -> None:
    opening: Future[Spaces] = Future()
    server = make_server(names, opening, seconds=0.1)

    async def ask(client: Client) -> tuple[CallToolResult, CallToolResult]:
        assert len((await client.list_tools()).tools) == 4
        early = await client.call_tool("spaces")
        opening.set_result(Spaces(names))
        return early, await client.call_tool("spaces")

    early, late = asked(server, ask)
    assert early.is_error
    assert "being built" in text(early)
    assert not late.is_error


def test_a_space_that_cannot_be_opened_is_told(names: list[str]) -> None:
    opening: Future[Spaces] = Future()
    opening.set_exception(CacheNotFoundError("no target cache at town.uwe"))
    result = called(make_server(names, opening), "rank", {"query": "a"})
    assert result.is_error
    assert "town.uwe" in text(result)


def test_many_calls_at_once(server: Server[Any]) -> None:
    async def ask(client: Client) -> list[CallToolResult]:
        calls = [client.call_tool("rank", {"query": f"{n} SQL", "k": 1}) for n in range(100)]
        return await asyncio.gather(*calls)

    for number, result in enumerate(asked(server, ask)):
        assert result.structured_content["rankings"][0]["query"] == f"{number} SQL"


def test_the_command_line_tells_what_is_wrong(shell: Shell) -> None:
    for option in (["--port", "80"], ["--host", "::1"], ["--api-key-file", "key"]):
        assert "--http" in shell.error("mcp", *option)
    assert "'nowhere'" in shell.error("mcp", "-t", "nowhere")
    assert "town.uwe" in shell.error("mcp", "-t", "./town.uwe")


def test_the_missing_extra_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "uwe.service.mcp")
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert "'uwe[mcp]'" in shell.error("mcp")


ALONE = """
import sys
for name in ("fastapi", "fastapi_offline", "httptools", "prometheus_client", "uvloop"):
    sys.modules[name] = None
from uwe.cli import main
main()
"""
"""A process in which the extra `mcp` is the only one that is installed."""


@pytest.mark.slow
def test_stdio_is_left_to_the_protocol(tiny: Path) -> None:
    command = ["-c", ALONE, "mcp", "-t", str(tiny)]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))
    assert answer(server, "rank", {"query": "data baker"})["targets"] == "roles"

    process = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "1"},
    }
    for number, (method, params) in enumerate(
        [
            ("initialize", hello),
            ("tools/list", {}),
            # Longer than the model reads, which the library warns of.
            ("tools/call", {"name": "rank", "arguments": {"query": "data " * 1000}}),
        ]
    ):
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        process.stdin.write(json.dumps(message) + "\n{ no JSON\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == number
    rest, said = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")
    assert "Traceback" not in said


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_signals_end_a_server_on_stdio(tiny: Path, number: int, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "uwe", "mcp", "-t", str(tiny)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(number)
    assert process.wait(60) == code
    assert "Traceback" not in process.communicate()[1]


@pytest.fixture
def url(tiny: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", ALONE, "mcp", "-t", str(tiny), "--http", "--port", "0"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "UWE_API_KEY": "k-1"},
    )  # fmt: skip
    try:
        said = ""
        for line in process.stderr or ():
            said += line
            if found := re.search(r"running on (http://[\d.:]+)", line):
                yield f"{found[1]}/mcp"
                break
        else:
            pytest.fail(said)
        process.terminate()
        said += process.communicate(timeout=60)[1]
        assert process.returncode in (0, -signal.SIGTERM)
        assert "Traceback" not in said
    finally:
        process.kill()


@pytest.mark.slow
def test_http_asks_for_the_key_and_refuses_pages_from_elsewhere(url: str) -> None:
    async def run() -> None:
        key = {"Authorization": "Bearer k-1"}
        async with httpx2.AsyncClient(headers=key) as client:
            for mode in ("auto", "legacy"):
                transport = streamable_http_client(url, http_client=client)
                async with Client(transport, mode=mode) as session:
                    found = await session.call_tool("rank", {"query": "data baker"})
                    assert found.structured_content["targets"] == "roles"
                    assert (await session.call_tool("rank", {"query": ""})).is_error
        body = b'{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}'
        common = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        async with httpx2.AsyncClient(headers=common) as client:
            for headers, content, status in (
                ({}, body, 401),
                ({"Authorization": "Bearer k-2"}, body, 401),
                (key, body, 200),
                ({**key, "Host": "elsewhere.example"}, body, 421),
                ({**key, "Origin": "http://elsewhere.example"}, body, 403),
                (key, b" " * 1_000_001, 413),
                (key, b"{", 400),
            ):
                response = await client.post(url, headers=headers, content=content)
                assert response.status_code == status, response.text

    asyncio.run(run())
