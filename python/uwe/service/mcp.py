"""The same operations as tools of the Model Context Protocol (MCP), for agents.

Their arguments are the service's requests, limits included. Answers are shorter than over HTTP,
since an agent pays for every word: without nulls and without numbers that only a program reads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import asynccontextmanager
from typing import Annotated, Any, NamedTuple

import anyio
import uvicorn
from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from starlette.types import ASGIApp, Receive, Scope, Send

import uwe
from uwe.errors import UweError
from uwe.service.engine import Engine
from uwe.service.limits import NO_KEY, carries_key
from uwe.service.listening import OPTIONS, check_address
from uwe.service.problems import problem
from uwe.service.requests import (
    Explained,
    ExplainRequest,
    Extracted,
    ExtractRequest,
    Ranked,
    RankRequest,
    SpaceList,
    wrong_fields,
)
from uwe.service.spaces import Spaces, name_and_folder

_log = logging.getLogger("uwe.service")

_MOST_BYTES = 1_000_000
_PATIENCE_SECONDS = 5
"""How long an agent waits for the list of tools; most give up after half a minute."""
_LEFT_OUT = {"cells", "index", "line", "scorer"}
_ROUNDED = {"confidence", "score", "share"}
_DIGITS = 3
_OPTIONAL = {"words"}
"""What an answer has only if it was asked for."""
_INSTRUCTIONS = """uwe ranks skills, occupations and other labels of the labour market for short \
texts, and finds them in adverts and CVs. Scores order the targets of one query; confidence is the \
probability that an expert accepts a match. The model reads English."""


class ExtractArguments(ExtractRequest):
    """Adverts or CVs to find targets in."""

    words: Annotated[
        bool, Field(description="Whether each place says which of its words earned the score.")
    ] = False


class _NoArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


async def _extract(engine: Engine, request: ExtractArguments) -> dict[str, Any]:
    answer = await engine.extract(request)
    if not request.words:
        for extraction in answer["extractions"]:
            for finding in extraction["findings"]:
                for place in finding["places"]:
                    del place["words"]
    return answer


async def _spaces(engine: Engine, _: _NoArguments) -> dict[str, Any]:
    return {"spaces": await engine.descriptions()}


# Answers as text, for clients that show no structured content.


def _rank_text(answer: dict[str, Any]) -> Iterator[str]:
    for ranking in answer["rankings"]:
        yield f"{answer['targets']} for {ranking['query']!r}:"
        yield from _notes(ranking)
        for place, match in enumerate(ranking["matches"], 1):
            yield f"{place}. {match['label']}{_details(match)}{_earned(match.get('words', []))}"
        if not ranking["matches"]:
            yield "no match"


def _extract_text(answer: dict[str, Any]) -> Iterator[str]:
    for number, extraction in enumerate(answer["extractions"], 1):
        yield f"{answer['targets']} in text {number}:"
        yield from _notes(extraction)
        for finding in extraction["findings"]:
            yield f"- {finding['label']}{_details(finding)}"
            for place in finding["places"]:
                words = _earned(place.get("words", []))
                yield f"  {place['start']}-{place['end']}: {place['text']!r}{words}"
        if not extraction["findings"]:
            yield "nothing found"


def _explain_text(answer: dict[str, Any]) -> Iterator[str]:
    yield f"{answer['query']!r} -> {answer['label']!r}{_details(answer)}"
    for name in ("query_words", "target_words"):
        words = sorted(answer[name], key=lambda word: -word["share"])
        yield f"{name.replace('_', ' ')}{_earned(words)}"


def _spaces_text(answer: dict[str, Any]) -> Iterator[str]:
    for number, space in enumerate(answer["spaces"]):
        default = " (default)" if number == 0 else ""
        purposes = "rank, extract" if space["extracts"] else "rank"
        yield f"{space['name']}{default}: {space['title']}, {space['targets']} targets; {purposes}"
        for column in space["columns"]:
            yield f"  column {column['name']}: {column.get('values', 'many values')}"
        if space["attribution"]:
            yield f"  {space['attribution']}"


def _details(found: dict[str, Any]) -> str:
    names = ("confidence", "score", "alias", "read_as", "id")
    told = [f"{name.replace('_', ' ')} {found[name]}" for name in names if name in found]
    return f" ({', '.join(told)})"


def _earned(words: Iterable[dict[str, Any]]) -> str:
    told = ", ".join(f"{word['text']} {word['share']}" for word in words)
    return f": {told}" if told else ""


def _notes(answer: dict[str, Any]) -> Iterator[str]:
    if "language" in answer:
        yield f"(seems to be {answer['language']}, which the model does not read)"
    if answer.get("truncated"):
        yield "(longer than the model reads: its end was left out)"
    for left_out in answer.get("left_out", ()):
        yield f"({left_out})"


class _Operation(NamedTuple):
    title: str
    description: str
    request: type[BaseModel]
    answer: type[BaseModel]
    run: Callable[[Engine, Any], Awaitable[dict[str, Any]]]
    text: Callable[[dict[str, Any]], Iterator[str]]


_OPERATIONS = {
    "rank": _Operation(
        "Rank",
        "Ranks all targets of a space (skills, occupations, labels) for a job title, a skill or a "
        "sentence, and returns the best. Takes `query`, or `queries` for several at once. "
        "min_confidence 0.5 leaves out what is unlikely, so that a query that nothing fits gets "
        "no match. For a whole advert or CV, use extract.",
        RankRequest,
        Ranked,
        Engine.rank,
        _rank_text,
    ),
    "extract": _Operation(
        "Extract",
        "Finds what whole job adverts or CVs ask for or offer: each target of the space once, with "
        "the passages of the text that name it. Takes `text`, or `texts` for several at once.",
        ExtractArguments,
        Extracted,
        _extract,
        _extract_text,
    ),
    "explain": _Operation(
        "Explain",
        "Says how the words of a query and of one target share the target's score.",
        ExplainRequest,
        Explained,
        Engine.explain,
        _explain_text,
    ),
    "spaces": _Operation(
        "List target spaces",
        "Lists the target spaces with their sizes, and the metadata columns that the argument "
        "`where` of rank and extract may name.",
        _NoArguments,
        SpaceList,
        _spaces,
        _spaces_text,
    ),
}


class _Schema(GenerateJsonSchema):
    """Plain types, without titles and nulls: what is null is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {name: value for name, value in found.items() if (name, value) != ("default", None)}

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        required = super().field_is_required(field, total)
        return required and field["schema"]["type"] != "nullable"

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        # Makers of language models refuse `oneOf` here; the request's own check stays.
        for unwanted in ("oneOf", "title"):
            found.pop(unwanted, None)
        for name in _LEFT_OUT:
            found.get("properties", {}).pop(name, None)
        if "required" in found:
            unsure = _LEFT_OUT | _OPTIONAL
            found["required"] = [name for name in found["required"] if name not in unsure]
        return found


def _tool(name: str, operation: _Operation, spaces: Sequence[str]) -> Tool:
    arguments = operation.request.model_json_schema(schema_generator=_Schema)
    if "targets" in arguments["properties"]:
        arguments["properties"]["targets"] = {
            "type": "string",
            "enum": list(spaces),
            "default": spaces[0],
            "description": "The target space.",
        }
    return Tool(
        name=name,
        title=operation.title,
        description=operation.description,
        input_schema=arguments,
        output_schema=operation.answer.model_json_schema(schema_generator=_Schema),
        annotations=ToolAnnotations(
            read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False
        ),
    )


def _short(value: Any, name: str = "") -> Any:
    """An answer without nulls and what `_LEFT_OUT` names; shares and scores rounded."""
    if isinstance(value, dict):
        found = {key: one for key, one in value.items() if one is not None}
        if name == "metadata":  # its keys and numbers are its owner's
            return found
        return {key: _short(one, key) for key, one in found.items() if key not in _LEFT_OUT}
    if isinstance(value, list):
        return [_short(one) for one in value]
    return round(value, _DIGITS) if name in _ROUNDED else value


class _LaterEngine:
    """An engine that starts with its first use, once the target spaces are open."""

    def __init__(self, opening: Future[Spaces]) -> None:
        self._opening = opening
        self._engine: Engine | None = None

    @property
    def ready(self) -> bool:
        """Whether it is waited for no more."""
        return self._opening.done()

    async def started(self) -> Engine:
        """The engine; raises what opening a space raised."""
        opened = asyncio.wrap_future(self._opening)
        # Whoever waited may have gone: an error that nobody takes would be logged.
        opened.add_done_callback(lambda done: done.cancelled() or done.exception())
        spaces = await asyncio.shield(opened)
        if self._engine is None:
            self._engine = Engine(spaces)
        return self._engine

    async def stop(self) -> None:
        """Return when all that was taken is answered."""
        if self._engine is not None:
            await self._engine.stop()


async def _called(
    engine: _LaterEngine, name: str, arguments: dict[str, Any], seconds: float
) -> CallToolResult:
    operation = _OPERATIONS.get(name)
    if operation is None:
        raise MCPError(
            INVALID_PARAMS,
            f"expected one of the tools {', '.join(_OPERATIONS)}, got {name[:80]!r}: correct the "
            "name",
        )
    try:
        request = operation.request.model_validate(arguments)
        with anyio.fail_after(seconds):
            answer = _short(await operation.run(await engine.started(), request))
    except ValidationError as error:
        wrong = wrong_fields(error.errors(), arguments, whole="arguments")
        return _refused("; ".join(f"{field}: {message}" for field, message in wrong[:3]))
    except TimeoutError:
        return _refused(
            f"took longer than {seconds:g} seconds: send less at a time"
            if engine.ready
            else "the target spaces are being built, once, which may take a minute: try again then"
        )
    except UweError as error:
        return _refused(str(error))
    except Exception:  # noqa: BLE001 - whatever it is, the log has it and the agent hears of it
        _log.exception("the tool %s failed", name)
        return _refused("the tool failed; the server's log says why")
    text = TextContent(text="\n".join(operation.text(answer)))
    return CallToolResult(content=[text], structured_content=answer)


def _refused(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=message)], is_error=True)


def make_server(
    spaces: Sequence[str], opening: Future[Spaces], *, seconds: float = 30.0
) -> Server[_LaterEngine]:
    """A server with the tools `rank`, `extract`, `explain` and `spaces`, on any transport.

    `spaces` are as `Spaces` takes them, and `opening` gives these spaces, now or later: the tools
    are listed before, and a call waits. A call may take `seconds`.
    """
    names = [name_and_folder(text)[0] for text in spaces]
    tools = ListToolsResult(tools=[_tool(name, one, names) for name, one in _OPERATIONS.items()])

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[_LaterEngine]:
        engine = _LaterEngine(opening)
        yield engine
        await engine.stop()

    async def list_tools(*_: object) -> ListToolsResult:
        return tools

    async def call_tool(
        context: ServerRequestContext[_LaterEngine], params: CallToolRequestParams
    ) -> CallToolResult:
        return await _called(context.lifespan_context, params.name, params.arguments or {}, seconds)

    return Server(
        "uwe",
        version=uwe.__version__,
        title="uwe: ranking for the labour market",
        instructions=_INSTRUCTIONS,
        lifespan=lifespan,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def serve_stdio(spaces: Sequence[str], *, seconds: float) -> None:
    """Serve one client over standard input and output, until it closes the input.

    While it runs, whatever else writes to standard output goes to standard error. A cache that has
    to be built first is built meanwhile: agents do not wait so long. `spaces` are as `Spaces` takes
    them; a call may take `seconds`. A client that stops reading is a BrokenPipeError.
    """
    server = make_server(spaces, _opening(spaces, _PATIENCE_SECONDS), seconds=seconds)

    async def serve() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    try:
        anyio.run(serve)
    except Exception as error:  # noqa: BLE001 - raised again
        # A task group wraps what ended it, such as the broken pipe of a client that has gone.
        cause: Any = error
        while hasattr(cause, "exceptions"):
            cause = cause.exceptions[0]
        raise cause from None


def serve_http(
    spaces: Sequence[str], *, seconds: float, host: str, port: int, api_key: str | None
) -> None:
    """Serve at `/mcp` until SIGTERM or SIGINT; then answer what was accepted, and return.

    On a loopback address, requests of web pages from elsewhere are refused (DNS rebinding).
    `spaces` are as `Spaces` takes them; a call may take `seconds`.
    """
    check_address(host, port)
    server = make_server(spaces, _opening(spaces, None), seconds=seconds)
    app: ASGIApp = server.streamable_http_app(
        host=host, max_request_body_size=_MOST_BYTES, json_response=True, stateless_http=True
    )
    if api_key is not None:
        app = _Locked(app, api_key.encode())
    # h11 bounds the head of a request, and an agent needs no faster one.
    uvicorn.run(app, host=host, port=port, http="h11", **OPTIONS)


def _opening(spaces: Sequence[str], patience: float | None) -> Future[Spaces]:
    """The spaces, open or, after as many seconds, still being built; raises what opening raises."""
    opening = ThreadPoolExecutor(1).submit(Spaces, spaces)
    wait([opening], patience)
    if opening.done():
        opening.result()
    return opening


class _Locked:
    """ASGI middleware that asks for the API key."""

    def __init__(self, app: ASGIApp, key: bytes) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "http" and not carries_key(given, self._key):
            headers = {"WWW-Authenticate": "Bearer"}
            await problem(scope, 401, NO_KEY, headers=headers)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
