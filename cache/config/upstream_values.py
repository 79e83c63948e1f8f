"""Single values of an upstream's section, from text. Each raises Refused with what is allowed."""

from __future__ import annotations

import re
import shutil
import unicodedata
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cache.config.values import HIGHEST_PORT, Refused, text
from cache.oci.pattern import Pattern

if TYPE_CHECKING:
    from cache.config.document import Scalar
    from cache.config.shape import OnDeleted

LONGEST_SECRET = 16 * 1024
FEWEST_CONNECTIONS = 4
MOST_CONNECTIONS = 10_000
LARGEST_RESERVE = Fraction(9, 10)
HIDDEN = "a value that is not shown"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?"
_ADDRESS = r"\[[0-9A-Fa-f:.]{2,45}\]"
_HOST = re.compile(rf"{_NAME}|{_ADDRESS}")
_HOST_AND_PORT = re.compile(rf"(?:{_NAME}|{_ADDRESS})(?::(?P<port>\d{{1,5}}))?", re.ASCII)
# RFC 3986 section 3.2.1.
_USER = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
_SHARE = re.compile(r"(?P<percent>\d{1,2}(?:\.\d{1,3})?)%|(?P<part>0(?:\.\d{1,5})?)", re.ASCII)
_NOT_IN_A_SECRET = frozenset({"Cc", "Cs"})
_IN_A_KEY_FILE = frozenset("\t\r\n")


def registry(name: str) -> str:
    """The name of a registry, as it stands in front of an image's: `host[:port]`."""
    match = _HOST_AND_PORT.fullmatch(name)
    if match is None or name != name.lower() or not _is_port(match["port"]):
        raise Refused("a registry's host[:port] in lower case, such as ghcr.io")
    # Clients take a first word without any of these for a part of the repository's name.
    if name != "localhost" and not {".", ":"} & set(name):
        raise Refused("a registry's name with a dot or a port, or localhost")
    return name


def host(value: Scalar) -> str:
    """`host[:port]`, in lower case."""
    match = _HOST_AND_PORT.fullmatch(value.text)
    if match is None or not _is_port(match["port"]):
        raise Refused("host or host:port, such as auth.example.com", _without_user(value))
    return value.text.lower()


def remote_url(value: Scalar) -> str:
    """Scheme and host of a registry, without the trailing slash."""
    allowed = "http:// or https://, a host, perhaps a port, and nothing more"
    try:
        url = urlsplit(value.text)
        port = url.port
    except ValueError:
        raise Refused(allowed, "an address that cannot be read") from None
    if "@" in url.netloc:
        raise Refused(
            f"{allowed}; the user belongs in username and password",
            "an address with a user (not shown)",
        )
    if url.path.strip("/") or url.query or url.fragment or value.text.endswith(("?", "#")):
        raise Refused(f"{allowed}: no path, query or fragment", _without_user(value))
    name = url.netloc.removesuffix(f":{port}")
    if url.scheme not in {"http", "https"} or port == 0 or not _HOST.fullmatch(name):
        raise Refused(allowed, _without_user(value))
    return f"{url.scheme}://{url.netloc.lower()}"


def egress_proxy(value: Scalar) -> str:
    """The address of an HTTP proxy. What was found is never shown: it may hold a password."""
    allowed = (
        "http://host:port or https://host:port, perhaps with user:password@ before the host, in "
        "which other characters than letters and digits are written as %XX"
    )
    try:
        url = urlsplit(text(value))
        port = url.port
    except (Refused, ValueError):
        raise Refused(allowed, HIDDEN) from None
    user, _, place = url.netloc.rpartition("@")
    name = place.removesuffix(f":{port}")
    if url.scheme not in {"http", "https"} or not port or url.path not in {"", "/"}:
        raise Refused(allowed, HIDDEN)
    if url.query or url.fragment or not _HOST.fullmatch(name) or not _USER.fullmatch(user):
        raise Refused(allowed, HIDDEN)
    return value.text.rstrip("/")


def user_name(value: Scalar) -> str:
    # RFC 7617 section 2: the first colon ends the user name.
    if ":" in value.text:
        raise Refused("a user name without a colon")
    return text(value)


def secret_file(value: Scalar) -> str:
    """The content of a file, without one newline at its end. It is in no message.

    It may have several lines, as the keys of Google's service accounts do.
    """
    try:
        with Path(text(value)).open("rb") as file:
            content = file.read(LONGEST_SECRET + 1)
        secret = content.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise Refused("a file in UTF-8", HIDDEN) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise Refused(f"the path of a readable file ({reason or 'not a path'})", HIDDEN) from None
    if len(content) > LONGEST_SECRET:
        raise Refused(f"a file of at most {LONGEST_SECRET} bytes", HIDDEN)
    if not secret:
        raise Refused("a file that is not empty", HIDDEN)
    if any(unicodedata.category(each) in _NOT_IN_A_SECRET for each in set(secret) - _IN_A_KEY_FILE):
        raise Refused("a file of text", HIDDEN)
    return secret


def user_name_file(value: Scalar) -> str:
    """The content of a file, one line, without its newline."""
    name = secret_file(value)
    if ":" in name or not name.isprintable():
        raise Refused("a file with a user name: one line without a colon", HIDDEN)
    return name


def command(value: Scalar) -> str:
    """The absolute path of a program, given by that or by its name."""
    allowed = "the name or the absolute path of a program that can be run"
    written = text(value)
    if "/" in written and not written.startswith("/"):
        raise Refused(allowed)
    found = shutil.which(written)
    if found is None:
        raise Refused(allowed if "/" in written else f"{allowed}; in PATH there is none such")
    return str(Path(found).absolute())


def connections(value: Scalar) -> int:
    written = value.text
    if re.fullmatch(r"[1-9][0-9]{0,4}", written):
        number = int(written)
        if FEWEST_CONNECTIONS <= number <= MOST_CONNECTIONS:
            return number
    raise Refused(f"a whole number from {FEWEST_CONNECTIONS} to {MOST_CONNECTIONS}")


def share(value: Scalar) -> float:
    """A part of the whole, from 0 to 0.9: `10%` is 0.1."""
    match = _SHARE.fullmatch(value.text)
    part = Fraction(1)
    if match is not None:
        part = Fraction(match["percent"]) / 100 if match["percent"] else Fraction(match["part"])
    if part > LARGEST_RESERVE:
        raise Refused("a share from 0% to 90%, such as 10% or 0.1")
    return float(part)


def repositories(value: Scalar) -> Pattern:
    """A pattern of repositories' names, without the registry."""
    allowed = "a pattern of repositories, such as library/* or acme/**, without registry and tag"
    if value.text != value.text.lower() or ":" in value.text:
        raise Refused(allowed)
    return _pattern(value.text, allowed)


def hub_repositories(value: Scalar) -> Pattern:
    """As `repositories`; a name of one part is in `library`, as it is for clients of Docker Hub."""
    pattern = repositories(value)
    if "/" in pattern.text or "**" in pattern.text:
        return pattern
    return _pattern(f"library/{pattern.text}", "a shorter pattern")


def tags(name: str) -> Pattern:
    allowed = "a pattern of tags, such as latest or v1.*"
    if "/" in name or ":" in name:
        raise Refused(allowed)
    return _pattern(name, allowed)


def on_deleted(value: Scalar) -> OnDeleted:
    """What becomes of a tag that upstream no longer has."""
    if value.text == "keep":
        return "keep"
    if value.text == "drop":
        return "drop"
    raise Refused("keep or drop")


def _pattern(written: str, allowed: str) -> Pattern:
    try:
        return Pattern(written)
    except ValueError:
        raise Refused(allowed) from None


def _is_port(written: str | None) -> bool:
    return written is None or 1 <= int(written) <= HIGHEST_PORT


def _without_user(value: Scalar) -> str | None:
    """Whether to hide the value: what comes before an @ may be a password."""
    return HIDDEN if "@" in value.text else None
