"""The HTTP application: routes, OpenAPI, errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

import uwe
from uwe.errors import InputError, UweError
from uwe.language import guess_language
from uwe.service.engine import Engine
from uwe.service.lane import FullError, StoppedError
from uwe.service.limits import NO_KEY, Limits
from uwe.service.metrics import Metrics
from uwe.service.problems import problem
from uwe.service.requests import (
    Explained,
    ExplainRequest,
    Extracted,
    ExtractRequest,
    Problem,
    Ranked,
    RankRequest,
    SpaceList,
    wrong_fields,
)
from uwe.service.spaces import DEFAULT_SPACES, Spaces, UnknownNameError

_PAGE = Path(__file__).parent / "page"
_DESCRIPTION = """Ranks skills, occupations or labels of your own for titles and sentences, finds
them in whole adverts and CVs, and says which words earned each score."""


@dataclass(frozen=True)
class Settings:
    """What a service serves, and its limits."""

    spaces: tuple[str, ...] = DEFAULT_SPACES  # as `Spaces` takes them
    most_bytes: int = 1_000_000  # of a request's body
    most_waiting: int = 1000  # queries that may wait
    seconds: float = 30.0  # for a request
    api_key: str | None = None  # what `/v1/` and `/metrics` ask for, or None
    log_texts: bool = False  # whether the log has the texts that people sent
    local: bool = False  # whether only names of this machine are answered for: see `Limits`


def make_app(
    settings: Settings,
    spaces: Spaces | None = None,
    *,
    on_ready: Callable[[], None] = lambda: None,
) -> FastAPI:
    """The application.

    `spaces` are open; without them, those of `settings` are opened when it starts. `on_ready` is
    called when everything is loaded, before the first request is taken.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = Engine(
            spaces or Spaces(settings.spaces),
            most_waiting=settings.most_waiting,
            on_batch=metrics.batch.observe,
            on_waiting=lambda operation, number: metrics.waiting.labels(operation).set(number),
        )
        await _warm(engine)
        on_ready()
        app.state.engine = engine
        yield
        app.state.engine = None
        await engine.stop()

    app = FastAPIOffline(
        title="uwe",
        summary="Ranking for the labour market",
        description=_DESCRIPTION,
        version=uwe.__version__,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        static_url="/docs-files",
        redirect_slashes=False,
    )
    app.state.engine = None
    app.state.metrics, app.state.settings = metrics, settings
    _add_operations(app)
    _add_health(app)
    _add_page(app)
    _add_problems(app)
    paths = [getattr(route, "path", "") for route in app.routes]
    app.add_middleware(Limits, settings=settings, metrics=metrics, paths=paths)
    return app


async def _warm(engine: Engine) -> None:
    """Load models and touch what the first request would wait for."""
    guess_language("warm up")
    for space in await engine.descriptions():
        name = space["name"]
        await engine.rank(RankRequest(query="warm up", targets=name, words=True))
        if space["extracts"]:
            await engine.extract(ExtractRequest(text="warm up", targets=name))


_PROBLEMS: dict[int, str] = {
    401: "The API key is missing or wrong.",
    404: "There is no such target space, metadata column or target.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    422: "The request is malformed; `errors` names the fields.",
    429: "Too many queries wait.",
    503: "It took too long, or the service is stopping.",
}


def _responses(model: type[Any], *codes: int) -> dict[int | str, dict[str, Any]]:
    """What an operation answers, for OpenAPI."""
    found: dict[int | str, dict[str, Any]] = {200: {"model": model}}
    for code in codes:
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        found[code] = {"description": _PROBLEMS[code], "content": content}
    return found


def _json(content: Any) -> Response:
    return Response(to_json(content, inf_nan_mode="null"), media_type="application/json")


def _engine(request: Request) -> Engine:
    engine: Engine | None = request.app.state.engine
    if engine is None:
        raise StoppedError("the service is starting or stopping: try again in a moment")
    return engine


def _note(request: Request, targets: str | None, texts: list[str]) -> None:
    """What the log and the metrics know of a request."""
    request.state.targets = targets or _engine(request).spaces.names[0]
    request.state.texts = len(texts)
    if request.app.state.settings.log_texts:
        request.state.said = texts


def _add_operations(app: FastAPI) -> None:
    codes = (401, 404, 413, 415, 422, 429, 503)

    @app.post("/v1/rank", responses=_responses(Ranked, *codes), tags=["rank"])
    async def rank(asked: RankRequest, request: Request) -> Response:
        """The best targets of each query, exactly over every target of the space."""
        _note(request, asked.targets, asked.texts)
        return _json(await _engine(request).rank(asked))

    @app.post("/v1/extract", responses=_responses(Extracted, *codes), tags=["extract"])
    async def extract(asked: ExtractRequest, request: Request) -> Response:
        """What whole adverts or CVs ask for, where, and how sure that is."""
        _note(request, asked.targets, asked.documents)
        return _json(await _engine(request).extract(asked))

    @app.post("/v1/explain", responses=_responses(Explained, *codes), tags=["rank"])
    async def explain(asked: ExplainRequest, request: Request) -> Response:
        """Which words of a query and of a target earned its score."""
        _note(request, asked.targets, [asked.query])
        try:
            return _json(await _engine(request).explain(asked))
        except InputError as error:  # the schema has checked all but the target's name
            raise UnknownNameError(str(error)) from error

    @app.get("/v1/spaces", responses=_responses(SpaceList, 401, 503), tags=["spaces"])
    async def spaces(request: Request) -> Response:
        """The target spaces that are served, with the columns to filter by."""
        return _json({"spaces": await _engine(request).descriptions()})


_READ = ["GET", "HEAD"]
"""What monitors ask with: FastAPI adds no HEAD by itself."""


def _add_health(app: FastAPI) -> None:
    @app.api_route("/healthz", methods=_READ, tags=["health"], include_in_schema=False)
    async def healthz() -> Response:
        """Whether the process answers."""
        return _json({"status": "ok"})

    @app.api_route("/readyz", methods=_READ, tags=["health"], include_in_schema=False)
    async def readyz(request: Request) -> Response:
        """Whether it takes requests."""
        _engine(request)
        return _json({"status": "ready"})

    @app.api_route("/metrics", methods=_READ, include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """Counters for Prometheus."""
        found: Metrics = request.app.state.metrics
        return Response(found.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _add_page(app: FastAPI) -> None:
    files = {f"/{name}": _PAGE / name for name in ("page.css", "page.js")}
    files |= {"/": _PAGE / "index.html", "/markup.css": _PAGE.parents[1] / "markup.css"}

    def served(path: Path) -> Callable[[], Awaitable[Response]]:
        async def file() -> Response:
            return FileResponse(path, headers={"Cache-Control": "no-cache"})

        return file

    for address, path in files.items():
        app.add_api_route(address, served(path), methods=_READ, include_in_schema=False)


def _add_problems(app: FastAPI) -> None:
    # In OpenAPI's components, which the answers of each operation name.
    made = app.openapi

    def openapi() -> dict[str, Any]:
        schema = made()
        schemas = schema["components"]["schemas"]
        if "Problem" not in schemas:
            found = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(found.pop("$defs"))
            schemas["Problem"] = found
            if app.state.settings.api_key is not None:
                key = {"type": "http", "scheme": "bearer", "description": NO_KEY}
                schema["components"]["securitySchemes"] = {"key": key}
                schema["security"] = [{"key": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if isinstance(error.body, bytes):  # it was not parsed
            return problem(
                request.scope, 415, "expected the header 'Content-Type: application/json'"
            )
        errors = wrong_fields(error.errors(), error.body)
        detail = "; ".join(f"{field}: {message}" for field, message in errors[:3])
        return problem(request.scope, 422, detail, errors=errors)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, UweError)
        status = next((code for kind, code in _STATUS if isinstance(error, kind)), None)
        if status is None:
            raise error
        headers = {"Retry-After": "1"} if status in (429, 503) else None
        return problem(request.scope, status, str(error), headers=headers)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 400:  # the framework's, of bytes that cannot be parsed
            detail = "expected a body of JSON in UTF-8, nested a few levels deep: correct it"
            return problem(request.scope, 422, detail, errors=[("body", detail)])
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"there is nothing at {request.url.path[:80]}: /docs lists what there is"
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            detail = f"expected {allowed}, got {request.method}"
        return problem(request.scope, error.status_code, detail, headers=error.headers)

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(UweError, refused)
    app.add_exception_handler(HTTPException, http)


_STATUS: tuple[tuple[type[UweError], int], ...] = (
    (UnknownNameError, 404),
    (InputError, 422),
    (FullError, 429),
    (StoppedError, 503),
)
