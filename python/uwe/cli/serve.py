"""`uwe serve`: the service over HTTP."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from uwe.checks import path_of
from uwe.errors import InputError, extra

ServedSpaces = Annotated[
    list[str] | None,
    typer.Option(
        "--targets", "-t", metavar="NAME|FOLDER",
        help="A built-in target space, the folder of a target cache, or NAME=FOLDER; repeat for "
        "several. The first is the default. Without it: esco-skills and esco-occupations.",
    ),
]  # fmt: skip
_KEY, _KEY_FILE = "UWE_API_KEY", "UWE_API_KEY_FILE"


def serve_command(
    spaces: ServedSpaces = None,
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 is all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at.")] = 8000,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Processes, which share the processors.")
    ] = 1,
    api_key_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help=f"File with the key that requests have to bring; or set {_KEY_FILE}, or {_KEY} to "
            "the key. Without one, whoever reaches the port may ask.",
        ),
    ] = None,
    most_bytes: Annotated[
        int, typer.Option("--max-body", min=1000, help="Bytes of a request's body.")
    ] = 1_000_000,
    most_waiting: Annotated[
        int, typer.Option("--max-waiting", min=1, help="Queries that may wait in a process.")
    ] = 1000,
    seconds: Annotated[
        float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds for a request.")
    ] = 30.0,
    log_texts: Annotated[
        bool, typer.Option("--log-texts", help="Write what people sent into the log.")
    ] = False,
) -> None:
    """Serve ranking, extraction and explanations over HTTP, with a page at / and OpenAPI at /docs.

    Examples:
      uwe serve
      uwe serve -t esco-occupations -t roles=./roles.uwe --port 8080 --workers 2
    """
    with extra("serve", "uwe serve"):
        from uwe.service.app import Settings
        from uwe.service.server import serve
        from uwe.service.spaces import DEFAULT_SPACES
    settings = Settings(
        spaces=tuple(spaces or DEFAULT_SPACES),
        most_bytes=most_bytes,
        most_waiting=most_waiting,
        seconds=seconds,
        api_key=api_key_of(api_key_file),
        log_texts=log_texts,
    )
    serve(settings, host=host, port=port, workers=workers)


def api_key_of(file: str | None) -> str | None:
    """The key, which is not taken from the command line: others can read that."""
    file = file or os.environ.get(_KEY_FILE)
    source = file or f"the environment variable {_KEY}"
    key = os.environ.pop(_KEY, None)
    if file:
        key = path_of("--api-key-file", file).read_text(encoding="utf-8", errors="replace").strip()
    if key is not None and (not key.isascii() or not key.isprintable() or not key or " " in key):
        raise InputError(
            f"expected a key of printable ASCII without blanks in {source}: write another one"
        )
    return key
