"""What a form or a query says reaches the rest of the dashboard bounded, and fit to be stored."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from dashboard.views.page import LONGEST_TEXT, text_of


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("", ""),
        ("text=", ""),
        ("text=+acme/shop%0A", "acme/shop"),
        ("text=gr%C3%BC%C3%9Fe+\N{RED APPLE}", "grüße \N{RED APPLE}"),
        ("text=a%00b%1Bc%7F%C2%85d", "a\ufffdb\ufffdc\ufffd\ufffdd"),
        ("text=%FF%ED%A0%80", "\ufffd\ufffd\ufffd\ufffd"),
        (f"text={'a' * LONGEST_TEXT}", "a" * LONGEST_TEXT),
        (f"text={'a' * 100_000}", "a" * (LONGEST_TEXT - 1) + "…"),
    ],
)
def test_a_text_is_bounded_and_can_be_printed(sent: str, read: str) -> None:
    assert text_of(QueryDict(sent), "text") == read


def test_a_lone_surrogate_is_not_passed_on() -> None:
    fields = QueryDict(mutable=True)
    fields["text"] = "a\ud800b"
    assert text_of(fields, "text") == "a\ufffdb"


def test_a_field_may_have_a_bound_of_its_own() -> None:
    assert text_of(QueryDict("why=because"), "why", 4) == "bec…"
