"""`uwe mcp`: the service as tools for agents."""

from __future__ import annotations

from typing import Annotated

import typer

from uwe.cli.serve import ServedSpaces, api_key_of
from uwe.cli.signals import leave
from uwe.errors import InputError, extra

_HOST, _PORT = "127.0.0.1", 8001


def mcp_command(
    spaces: ServedSpaces = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve over streamable HTTP at /mcp, not over stdio.")
    ] = False,
    host: Annotated[
        str | None, typer.Option(help=f"With --http: address to listen at.  [default: {_HOST}]")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help=f"With --http: port to listen at.  [default: {_PORT}]"),
    ] = None,
    api_key_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="With --http: file with the key that requests have to bring; or set "
            "UWE_API_KEY_FILE, or UWE_API_KEY to the key. Without one, whoever reaches the port "
            "may ask.",
        ),
    ] = None,
    seconds: Annotated[
        float, typer.Option("--timeout", min=0.1, max=3600, help="Seconds for a call.")
    ] = 30.0,
) -> None:
    """Serve rank, extract, explain and spaces as tools for agents (Model Context Protocol).

    An agent starts it by itself; it ends when the agent closes its input.

    Examples:
      uwe mcp -t esco-skills
      uwe mcp -t roles=./roles.uwe --http --port 8080
    """
    with extra("mcp", "uwe mcp"):
        from uwe.service.mcp import serve_http, serve_stdio
        from uwe.service.spaces import DEFAULT_SPACES
    if not http:
        for name, value in (("--host", host), ("--port", port), ("--api-key-file", api_key_file)):
            if value is not None:
                raise InputError(f"{name} is for HTTP: add --http, or leave it out")
    served = spaces or DEFAULT_SPACES
    if http:
        port = _PORT if port is None else port
        key = api_key_of(api_key_file)
        serve_http(served, seconds=seconds, host=host or _HOST, port=port, api_key=key)
    else:
        leave()  # Ctrl-C finds nothing half done
        serve_stdio(served, seconds=seconds)
