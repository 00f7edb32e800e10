"""`split_sentences` on texts as vacancies have them."""

from __future__ import annotations

from typing import Any

import pytest

from uwe.errors import InputError
from uwe.extraction.segments import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One sentence", ["One sentence"]),
        ("We grow. You lead. Join!", ["We grow.", "You lead.", "Join!"]),
        ("Curious? apply now", ["Curious?", "apply now"]),
        ("Line one\nline two\r\n\r\nline three", ["Line one", "line two", "line three"]),
        (
            "Your tasks:\n- build pipelines\n• run Spark\n* test\n– deploy",
            ["Your tasks:", "build pipelines", "run Spark", "test", "deploy"],
        ),
        ("1. Plan work\n2) Lead teams\na) hire", ["Plan work", "Lead teams", "hire"]),
        ("  o train staff\n\t‣  ➢ mentor", ["train staff", "mentor"]),
        (
            "Tools, e.g. Python, i.e. no Excel. Approx. 5 years.",
            ["Tools, e.g. Python, i.e. no Excel.", "Approx. 5 years."],
        ),
        ("Report to Dr. Smith (esp. Mondays).", ["Report to Dr. Smith (esp. Mondays)."]),
        ("Led by J. R. Smith in the U.S. Army.", ["Led by J. R. Smith in the U.S. Army."]),
        ("Skills: SQL, etc. You report to us.", ["Skills: SQL, etc.", "You report to us."]),
        (
            "You know ASP.NET. We use C#. .NET 8.0 is a plus.",
            ["You know ASP.NET.", "We use C#.", ".NET 8.0 is a plus."],
        ),
        ("At least 3.5 years. 40 hours.", ["At least 3.5 years.", "40 hours."]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        ("Wait... Then act. and so on", ["Wait...", "Then act. and so on"]),
        ("Visit example.com/jobs.html today", ["Visit example.com/jobs.html today"]),
        ("職務内容。経験！", ["職務内容。", "経験！"]),
        ("-----\n***\n \nReal text", ["Real text"]),
        ("C++ developer\n-based role", ["C++ developer", "based role"]),
        ("", []),
        ("?! ...", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@pytest.mark.parametrize("text", [None, ["a. b."], b"a"])
def test_what_is_no_text_is_refused(text: Any) -> None:
    with pytest.raises(InputError, match="text"):
        split_sentences(text)
