"""What can be said of any upstream: the keys of `proxy`, and of each entry of `upstreams`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cache.config.kinds import MapOf, Section, Text, one_or_more

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cache.config.kinds import Key

_PEM = "the path of a readable PEM file"

UPSTREAM: Final[Mapping[str, Key]] = {
    "remoteurl": Text(
        "where the registry is: `http://` or `https://`, a host, perhaps a port",
        "`https://registry-1.docker.io`; under `upstreams` the entry's own name, by https",
    ),
    "username": Text(
        "who we are there, with `password`: both or none; the user `<token>` has an identity token "
        "(OAuth2) as its password",
        "anonymous",
    ),
    "username_file": Text("a file with the user name, in place of `username`", "none"),
    "password": Text("the password or token that goes with the user name", "none"),
    "password_file": Text(
        "a file with the password, in place of `password`; it is read at the start", "none"
    ),
    "exec": Section(
        {
            "command": Text(
                "a Docker credential helper, asked with `get`",
                "none",
                "the name or the absolute path of a program",
            ),
            "lifetime": Text(
                "how long its answer is used (`0s`: once)",
                "until upstream refuses it, when it is asked again",
                "0 or a duration such as 168h, 1h30m or 90s",
            ),
        }
    ),
    "auth_realm": one_or_more(
        "hosts of token servers that may be sent the password though they are in another domain",
        "the upstream's own domain alone",
    ),
    "ca": Text(
        "a PEM file of certificates that are trusted besides the system's", "the system's", _PEM
    ),
    "client_certificate": Text(
        "a PEM file, with `client_key` shown to whom the password may be sent: the upstream, and "
        "servers in its domain or in `auth_realm`",
        "none",
        _PEM,
    ),
    "client_key": Text("the key of `client_certificate`", "none", _PEM),
    "insecure_skip_verify": Text(
        "any certificate of the upstream's own host is taken, but none of a token server or "
        "storage elsewhere"
    ),
    "proxy": Text(
        "an egress proxy, `http://user:password@host:port`",
        "`HTTPS_PROXY`, `NO_PROXY` … of the environment",
    ),
    "connect_timeout": Text("how long to wait for a connection"),
    "first_byte_timeout": Text(
        "how long to wait for an answer to begin; clients wait meanwhile, containerd for 30 s"
    ),
    "stall_timeout": Text(
        "how long to wait for the next piece of an answer; a stalled blob is continued on a new "
        "connection"
    ),
    "max_connections": Text("connections to this upstream, of all worker processes together"),
    "bandwidth": Text(
        "bytes in a second for all transfers from it together, such as `20MiB`", "no bound"
    ),
    # An empty list that lets nothing in and no list, which lets all in, look alike: it is refused.
    "allow": one_or_more(
        "patterns of the repositories that may be pulled; what they do not let through is 403 "
        "`DENIED`, held or not",
        "all",
        least=1,
    ),
    "deny": one_or_more("patterns of those that may not, though `allow` names them"),
    "offline": Text(
        "it is never asked; what is held is served, tags as stale, and the rest is 504 "
        "`UNAVAILABLE`"
    ),
    "freshness": MapOf(
        Text(
            "how long a tag's answer is trusted before upstream is asked again, perhaps by tag "
            "pattern (the first that fits); `0s` asks at every pull"
        ),
        lone=True,
    ),
    "on_deleted": Text(
        "a tag that upstream no longer has: `drop` it, or `keep` serving it, marked stale"
    ),
    "negative_ttl": Text('how long a "not found" of upstream is believed; `0s` asks every time'),
    "quota_reserve": Text("the share of upstream's quota below which tags are no longer checked"),
    "quota_freshness": Text(
        "a tag that was checked so long ago at most is then served unchecked, marked stale"
    ),
}
