"""What may be asked of the service."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from uwe.checks import is_blank
from uwe.service.requests import Query


def test_a_query_is_blank_to_the_service_as_to_the_package() -> None:
    """Rust reads the pattern here, and Python there."""
    query = TypeAdapter(Query)

    def taken(text: str) -> bool:
        try:
            return query.validate_python(text) == text
        except ValidationError:
            return False

    numbers = [*range(0x3100), *range(0xE000, 0x10000), *range(0xDFF00, 0xE0200), 0x10FFFF]
    differ = [hex(n) for n in numbers if taken(chr(n)) is is_blank(chr(n))]
    assert differ == []
    assert taken("\u200b a\u0301")
