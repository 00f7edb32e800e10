"""Errors as a service tells them: `application/problem+json` (RFC 9457), never a stack trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


def problem(
    scope: Mapping[str, Any],
    status: int,
    detail: str,
    *,
    errors: Iterable[tuple[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as the answer to the request of an ASGI scope.

    `detail` says what was expected, what came and what to do; `errors` has fields, and what is
    wrong with each.
    """
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": scope.get("state", {}).get("request_id", ""),
        "errors": [{"field": field, "message": message} for field, message in errors],
    }
    return Response(
        to_json(content), status, headers=headers, media_type="application/problem+json"
    )
