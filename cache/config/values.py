"""Single values of the configuration, from text. Each raises Refused with what is allowed."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit

from cache.config.shape import Address, Formatter, Level

if TYPE_CHECKING:
    from cache.config.document import Scalar

LONGEST_TEXT = 4096
LONGEST_DURATION_TEXT = 100
LONGEST_SIZE_TEXT = 30
HIGHEST_PORT = 65535
SHORTEST_PATIENCE = timedelta(milliseconds=1)
LONGEST_PATIENCE = timedelta(hours=24)

_DURATION = re.compile(r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(B|[KMGT]B|[KMGT]iB)", re.ASCII)
_BYTES = {"": 1} | {
    prefix + binary: base**power
    for power, prefix in enumerate("KMGT", start=1)
    for binary, base in (("", 1000), ("i", 1024))
}
LOWEST_RATE = 64 * 1024
# Go keeps a duration as nanoseconds in 64 bits: no longer one can be meant.
_LONGEST_DURATION = 2**63 - 1

_LISTEN = re.compile(
    r"(?P<host>[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]{2,45}(?:%\w+)?\]):(?P<port>\d{1,5})"
)
# No part of it begins with a dot: none leads upwards.
_PREFIX = re.compile(r"/(?:[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}/){1,5}")
# RFC 9110 section 5.6.2 (token) and 5.5 (field value).
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_FIELD_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
COMPUTED_HEADERS = frozenset(
    {
        "accept-ranges",
        "age",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "date",
        "docker-content-digest",
        "etag",
        "keep-alive",
        "link",
        "location",
        "server",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
        "x-request-id",
    }
)


class Refused(Exception):
    """The value cannot be taken. The message says what is allowed.

    `found` replaces the value in what is reported, where the value must not be shown.
    """

    def __init__(self, allowed: str, found: str | None = None) -> None:
        super().__init__(allowed)
        self.allowed = allowed
        self.found = found


def text(value: Scalar) -> str:
    if len(value.text) > LONGEST_TEXT:
        raise Refused(f"a text of at most {LONGEST_TEXT} characters", "a longer one")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value.text):
        raise Refused("a text without control characters")
    return value.text


def version(value: Scalar) -> str:
    if value.text != "0.1":
        raise Refused("0.1")
    return value.text


def boolean(value: Scalar) -> bool:
    word = value.text.lower()
    if value.kind != "bool" or word not in {"true", "false", "yes", "no", "on", "off"}:
        raise Refused("true or false")
    return word in {"true", "yes", "on"}


def level(value: Scalar) -> Level:
    for known in get_args(Level):
        if value.text.lower() == known:
            return known  # type: ignore[no-any-return]
    raise Refused("debug, info, warn or error")


def formatter(value: Scalar) -> Formatter:
    if value.text == "logstash":
        return "json"
    for known in get_args(Formatter):
        if value.text == known:
            return known  # type: ignore[no-any-return]
    raise Refused("text or json")


def duration(value: Scalar) -> timedelta:
    """As Go's time.ParseDuration, not negative: `168h`, `1h30m`, `1.5s`, `0`."""
    written = value.text.removeprefix("+")
    if written == "0":
        return timedelta(0)
    if written.isascii() and written.isdigit():
        raise Refused("a duration with its unit, such as 168h or 30m, or 0")
    if len(written) > LONGEST_DURATION_TEXT or not _DURATION.fullmatch(written):
        raise Refused("0 or a duration such as 168h, 1h30m or 90s")
    nanoseconds = sum(
        Fraction(f"0{number}0" if "." in number else number) * _NANOSECONDS[unit]
        for number, unit in _DURATION_PART.findall(written)
    )
    if nanoseconds > _LONGEST_DURATION:
        raise Refused("a duration of at most 2562047h")
    return timedelta(microseconds=int(nanoseconds // 1000))


def patience(value: Scalar) -> timedelta:
    """A duration after which a wait is given up: never 0, and never as good as none."""
    waited = duration(value)
    if not SHORTEST_PATIENCE <= waited <= LONGEST_PATIENCE:
        raise Refused("a duration from 1ms to 24h")
    return waited


def grace(value: Scalar) -> timedelta:
    """A duration that something is given to end by itself; 0 is none."""
    given = duration(value)
    if given > LONGEST_PATIENCE:
        raise Refused("a duration from 0 to 24h")
    return given


def size(value: Scalar) -> int:
    """A number of bytes with its unit, decimal or binary: `20MiB`, `1.5GiB`, `500KB`, `0B`."""
    match = _SIZE.fullmatch(value.text)
    if match is None or len(value.text) > LONGEST_SIZE_TEXT:
        raise Refused("a size with its unit, such as 20MiB, 1GiB or 500KB")
    return int(Fraction(match[1]) * _BYTES[match[2].removesuffix("B")])


def rate(value: Scalar) -> int:
    """Bytes per second, as a size."""
    found = size(value)
    if found < LOWEST_RATE:
        raise Refused("at least 64KiB, in a second")
    return found


def lifetime(value: Scalar) -> timedelta | None:
    """A duration of which 0 means for ever (None)."""
    return duration(value) or None


def address(value: Scalar) -> Address:
    """`host:port` as Go's net.Listen takes it, with a number for the port."""
    allowed = "host:port with a port from 1 to 65535, such as :5000, 127.0.0.1:5000 or [::1]:5000"
    match = _LISTEN.fullmatch(value.text)
    if match is None or not 1 <= int(match["port"]) <= HIGHEST_PORT:
        raise Refused(allowed)
    return Address(match["host"].strip("[]"), int(match["port"]))


def path_prefix(value: Scalar) -> str:
    """The beginning of paths below which another program keeps something of ours."""
    if not _PREFIX.fullmatch(value.text) or value.text.startswith("/v2/"):
        raise Refused("a path with / at both ends, such as /_store/, and not below /v2/")
    return value.text


def field_name(name: str) -> str:
    """The name of a log field: one word, so that lines of text stay readable by machines."""
    if not _FIELD_NAME.fullmatch(name):
        raise Refused("a name of letters, digits, '.', '-' and '_'")
    return name


def header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise Refused("the name of an HTTP header")
    if name.lower() in COMPUTED_HEADERS:
        raise Refused("a header that the mirror does not set itself")
    return name


def header_value(value: Scalar) -> str:
    if len(value.text) > LONGEST_TEXT or not _FIELD_VALUE.fullmatch(value.text):
        raise Refused("printable ASCII on one line")
    return value.text


def folder(value: Scalar) -> Path:
    return Path(text(value)).absolute()


def readable_file(value: Scalar) -> Path:
    path = Path(text(value)).absolute()
    try:
        with path.open("rb") as file:
            file.read(1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise Refused(f"the path of a readable file ({reason or 'not a path'})") from None
    return path


def postgres_url(value: Scalar) -> str:
    """A PostgreSQL address. What was found is never shown: it holds a password."""
    allowed = "postgresql://user:password@host:port/database"
    hidden = "a value that is not shown"
    try:
        url = urlsplit(text(value))
        port = url.port
    except (Refused, ValueError):
        raise Refused(allowed, hidden) from None
    if url.scheme not in {"postgres", "postgresql"}:
        scheme = url.scheme if url.scheme.isalnum() else ""
        raise Refused(allowed, f"the scheme {scheme[:20]!r}" if scheme else hidden)
    if port == 0 or not url.path.strip("/"):
        raise Refused(allowed, "no database name" if port != 0 else hidden)
    return value.text
