from __future__ import annotations

import json
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.oci.errors import ERRORS, LONGEST_QUOTE, RegistryError, quote

# OCI Distribution Specification 1.1, "Error Codes": code-1 to code-14.
SPECIFIED = {
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "UNAUTHORIZED",
    "DENIED",
    "UNSUPPORTED",
    "TOOMANYREQUESTS",
}


def test_every_code_of_the_specification_is_in_the_table() -> None:
    assert not SPECIFIED - set(ERRORS)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("BLOB_UNKNOWN", 404),
        ("DENIED", 403),
        ("DIGEST_INVALID", 400),
        ("MANIFEST_UNKNOWN", 404),
        ("NAME_INVALID", 400),
        ("NAME_UNKNOWN", 404),
        ("PAGINATION_NUMBER_INVALID", 400),
        ("RANGE_INVALID", 416),
        ("TAG_INVALID", 400),
        ("TOOMANYREQUESTS", 429),
        ("UNAUTHORIZED", 401),
        ("UNAVAILABLE", 503),
        ("UNKNOWN", 500),
        ("UNSUPPORTED", 405),
    ],
)
def test_the_statuses_are_those_that_clients_act_on(code: str, status: int) -> None:
    assert RegistryError(code).status == status


@pytest.mark.parametrize("code", ERRORS)
def test_every_entry_is_complete(code: str) -> None:
    error = ERRORS[code]
    assert error.code == code
    assert HTTPStatus(error.status) >= HTTPStatus.BAD_REQUEST
    assert error.message


def test_the_envelope_has_the_specified_form() -> None:
    error = RegistryError("BLOB_UNKNOWN", "not here", detail={"digest": "sha256:\u00e9"})

    assert json.loads(error.envelope()) == {
        "errors": [
            {"code": "BLOB_UNKNOWN", "message": "not here", "detail": {"digest": "sha256:\u00e9"}}
        ]
    }


def test_an_error_without_words_of_its_own_uses_the_tables() -> None:
    (found,) = json.loads(RegistryError("UNSUPPORTED").envelope())["errors"]
    assert found == {
        "code": "UNSUPPORTED",
        "message": ERRORS["UNSUPPORTED"].message,
        "detail": None,
    }


def test_status_and_headers_can_be_set() -> None:
    error = RegistryError("UNAVAILABLE", status=504, headers={"Retry-After": "5"})
    assert error.status == 504
    assert dict(error.headers) == {"Retry-After": "5"}
    assert dict(RegistryError("UNAVAILABLE").headers) == {}


def test_a_code_outside_the_table_is_a_bug() -> None:
    with pytest.raises(KeyError):
        RegistryError("OOPS")


@given(st.text(max_size=500))
def test_quoted_text_is_short_and_printable(text: str) -> None:
    quoted = quote(text)
    assert len(quoted) <= LONGEST_QUOTE
    assert quoted.isascii()
    assert quoted.isprintable()


def test_a_quote_keeps_what_fits_and_says_what_is_gone() -> None:
    assert quote("latest\n") == "'latest\\n'"
    assert quote("x" * 78) == "'" + "x" * 78 + "'"
    assert quote("x" * 79) == "'" + "x" * 76 + "..."


@given(st.text(), st.text())
def test_any_message_makes_an_envelope(message: str, detail: str) -> None:
    (found,) = json.loads(RegistryError("UNKNOWN", message, detail=detail).envelope())["errors"]
    assert found["detail"] == detail
