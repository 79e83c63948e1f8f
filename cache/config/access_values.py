"""Single values about who may pull what, from text. Each raises Refused with what is allowed."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, TypeVar, get_args

from cache.config.shape import AnonymousPolicy, CertificateName, ClientAuth, Network
from cache.config.values import Refused, duration, header_name

if TYPE_CHECKING:
    from cache.config.document import Scalar


W = TypeVar("W")

#: Docker's daemon takes a token for expired earlier than it is; shorter ones it refuses.
SHORTEST_TOKEN = timedelta(seconds=60)
LONGEST_TOKEN = timedelta(hours=24)
LONGEST_BELIEF = timedelta(hours=8760)

#: Headers that clients send for other reasons: what stands in them is theirs to choose.
_CLIENTS_OWN = frozenset(
    {"accept", "authorization", "cookie", "forwarded", "host", "range", "referer", "user-agent"}
)


def anonymous(value: Scalar) -> AnonymousPolicy:
    return _word(value, get_args(AnonymousPolicy), "public or none")


def certificate_name(value: Scalar) -> CertificateName:
    return _word(value, get_args(CertificateName), "cn, email, dns or uri")


def client_auth(value: Scalar) -> ClientAuth:
    """As distribution has it, but that no certificate is taken which nobody has signed."""
    words = get_args(ClientAuth)
    return _word(value, words, " or ".join(words))


def belief(value: Scalar) -> timedelta:
    """How long an answer of upstream is believed: not for ever, as it may change."""
    found = duration(value)
    if not timedelta(seconds=1) <= found <= LONGEST_BELIEF:
        raise Refused("a duration from 1s to 8760h")
    return found


def token_lifetime(value: Scalar) -> timedelta:
    found = duration(value)
    if not SHORTEST_TOKEN <= found <= LONGEST_TOKEN:
        raise Refused("a duration from 60s to 24h")
    return found


def refresh_lifetime(value: Scalar) -> timedelta:
    found = duration(value)
    if not SHORTEST_TOKEN <= found <= LONGEST_BELIEF:
        raise Refused("a duration from 60s to 8760h")
    return found


def network(value: Scalar) -> Network:
    """An address, or a network in CIDR's notation."""
    try:
        found: Network = ip_network(value.text)
    except ValueError:
        raise Refused("an address or a network, such as 10.0.0.5 or 10.0.0.0/24") from None
    if found.prefixlen == 0:
        raise Refused("a network that is not the whole internet")
    return found


def identity_header(value: Scalar) -> str:
    name = header_name(value.text)
    if name.lower() in _CLIENTS_OWN or name.lower().startswith("x-forwarded-"):
        raise Refused("a header that means nothing else, such as X-Client-Subject")
    return name


def _word(value: Scalar, words: tuple[W, ...], allowed: str) -> W:
    for word in words:
        if value.text == word:
            return word
    raise Refused(allowed)
