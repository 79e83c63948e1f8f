"""The upstreams: the default one under `proxy`, those that clients name under `upstreams`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from cache.config import pem, upstream_values, values
from cache.config.shape import HUB_HOSTS, HUB_URL, Exec, Proxy
from cache.config.values import Refused
from cache.freshness import Windows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path as FilePath

    from cache.config.document import Scalar
    from cache.config.sources import Answers, Path
    from cache.oci.pattern import Pattern

T = TypeVar("T")

HUB = "docker.io"
_SIGN_IN = ("username", "username_file", "password", "password_file")
_TLS = ("ca", "client_certificate", "client_key")


@dataclass(frozen=True, slots=True)
class _Section:
    """What is said of one upstream."""

    answers: Answers
    base: Path

    def take(self, key: str, read: Callable[[Scalar], T], default: T) -> T:
        return self.answers.take((*self.base, *key.split(".")), read, default)

    def optional(self, key: str, read: Callable[[Scalar], T]) -> T | None:
        return self.answers.take((*self.base, key), _or_none(read), None)

    def is_set(self, key: str) -> bool:
        return self.answers.is_set((*self.base, *key.split(".")))

    def name(self, key: str) -> str:
        return ".".join((*self.base, key))

    def problem(self, because: str, key: str, found: str, allowed: str) -> None:
        """Report `key`, where the key `because` stands."""
        source = self.answers.found[(*self.base, *because.split("."))].source
        self.answers.problem(source, (*self.base, *key.split(".")), found, allowed)


def default(answers: Answers) -> Proxy:
    """What is set under `proxy`: the upstream of clients that name none."""
    section = _Section(answers, ("proxy",))
    bare = Proxy(remoteurl=_remoteurl(section, HUB_URL))
    return replace(_options(section, bare), ttl=section.take("ttl", values.lifetime, bare.ttl))


def others(answers: Answers, proxy: Proxy) -> tuple[Proxy, ...]:
    """The entries of `upstreams`, without those that are wrong or `proxy` again (reported)."""
    read: dict[str, Proxy] = {}
    for path, source in answers.entries.items():
        if path[:-1] != ("upstreams",):
            continue
        try:
            registry = upstream_values.registry(path[-1])
        except Refused as refused:
            answers.problem(source, path, "this name", refused.allowed)
            continue
        registry = HUB if registry in HUB_HOSTS else registry
        if registry in {proxy.name, proxy.netloc}:
            allowed = "other registries: set the options of this one under proxy"
            answers.problem(source, path, "the default upstream", allowed)
        elif registry in read:
            answers.problem(source, path, "Docker Hub for the second time", f"{HUB} alone")
        else:
            section = _Section(answers, path)
            url = _remoteurl(section, HUB_URL if registry == HUB else f"https://{registry}")
            bare = Proxy(registry=registry, remoteurl=url, ttl=proxy.ttl)
            read[registry] = _options(section, bare)
    return tuple(read.values())


def _options(section: _Section, bare: Proxy) -> Proxy:
    """`bare`, which has its address, with all else that is set; what is not keeps its default."""
    take, take_list = section.take, section.answers.take_list
    username, password = _sign_in(section)
    certificate, key = _client_pair(section)
    pattern = upstream_values.hub_repositories if bare.is_hub else upstream_values.repositories
    proxy = replace(
        bare,
        username=username,
        password=password,
        exec=_exec(section),
        auth_realm=take_list((*section.base, "auth_realm"), upstream_values.host),
        ca=section.optional("ca", pem.authorities),
        client_certificate=certificate,
        client_key=key,
        insecure_skip_verify=take("insecure_skip_verify", values.boolean, default=False),
        proxy=take("proxy", upstream_values.egress_proxy, ""),
        connect_timeout=take("connect_timeout", values.patience, bare.connect_timeout),
        first_byte_timeout=take("first_byte_timeout", values.patience, bare.first_byte_timeout),
        stall_timeout=take("stall_timeout", values.patience, bare.stall_timeout),
        max_connections=take("max_connections", upstream_values.connections, bare.max_connections),
        bandwidth=section.optional("bandwidth", values.rate),
        allow=take_list((*section.base, "allow"), pattern),
        deny=take_list((*section.base, "deny"), pattern),
        offline=take("offline", values.boolean, default=False),
        freshness=_freshness(section),
        on_deleted=take("on_deleted", upstream_values.on_deleted, bare.on_deleted),
        negative_ttl=take("negative_ttl", values.duration, bare.negative_ttl),
        quota_reserve=take("quota_reserve", upstream_values.share, bare.quota_reserve),
        quota_freshness=take("quota_freshness", values.duration, bare.quota_freshness),
    )
    _check_https(section, proxy.remoteurl)
    return proxy


def _remoteurl(section: _Section, default: str) -> str:
    url = section.take("remoteurl", upstream_values.remote_url, default)
    if url == HUB_URL or url.partition("://")[2] not in HUB_HOSTS:
        return url
    source = section.answers.found[(*section.base, "remoteurl")].source
    section.answers.warnings.append(
        f"{source}: {section.name('remoteurl')}: {url} is Docker Hub: {HUB_URL} is used"
    )
    return HUB_URL


def _sign_in(section: _Section) -> tuple[str, str]:
    """User name and password, each written out or in a file; both are empty or neither is."""
    for key in ("username", "password"):
        if section.is_set(key) and section.is_set(f"{key}_file"):
            section.problem(
                f"{key}_file", f"{key}_file", f"a file besides {section.name(key)}", "one of them"
            )
    for given, missing in (("username", "password"), ("password", "username")):
        keys = [key for key in (given, f"{given}_file") if section.is_set(key)]
        if keys and not section.is_set(missing) and not section.is_set(f"{missing}_file"):
            reason = f"a {missing}, as {section.name(keys[0])} is set"
            section.problem(keys[0], missing, "nothing", reason)
    return (
        section.take("username", upstream_values.user_name, "")
        or section.take("username_file", upstream_values.user_name_file, ""),
        section.take("password", values.text, "")
        or section.take("password_file", upstream_values.secret_file, ""),
    )


def _exec(section: _Section) -> Exec | None:
    given = [key for key in ("exec.command", "exec.lifetime") if section.is_set(key)]
    if not given:
        return None
    for key in _SIGN_IN:
        if section.is_set(key):
            section.problem(given[0], "exec", f"a program besides {section.name(key)}", "one way")
            return None
    if not section.is_set("exec.command"):
        section.problem(given[0], "exec.command", "nothing", "a program, as a lifetime is set")
        return None
    command = section.take("exec.command", upstream_values.command, "")
    lifetime: timedelta | None = section.take("exec.lifetime", values.duration, None)
    return Exec(command, lifetime) if command else None


def _client_pair(section: _Section) -> tuple[FilePath | None, FilePath | None]:
    certificate = section.optional("client_certificate", values.readable_file)
    key = section.optional("client_key", values.readable_file)
    if certificate is not None and key is not None:
        try:
            pem.check_pair(certificate, key)
        except Refused as refused:
            found = refused.found or upstream_values.HIDDEN
            section.problem("client_certificate", "client_certificate", found, refused.allowed)
    for given, missing in (("certificate", "key"), ("key", "certificate")):
        if section.is_set(f"client_{given}") and not section.is_set(f"client_{missing}"):
            allowed = "a PEM file, as certificate and key are needed together"
            section.problem(f"client_{given}", f"client_{missing}", "nothing", allowed)
    return certificate, key


def _check_https(section: _Section, url: str) -> None:
    for key in _TLS:
        if section.is_set(key) and url.startswith("http:"):
            section.problem(key, key, "a file for TLS", "none with an http:// remoteurl")


def _freshness(section: _Section) -> Windows:
    """One window for all tags, or windows by tag with a `default`."""
    answers, base = section.answers, (*section.base, "freshness")
    window = section.take("freshness", values.duration, timedelta(0))
    rules: list[tuple[Pattern, timedelta]] = []
    for path in answers.under(base):
        if path[-1] == "default":
            window = answers.take(path, values.duration, window)
            continue
        try:
            pattern = upstream_values.tags(path[-1])
        except Refused as refused:
            answers.problem(answers.found[path].source, path, "this name", refused.allowed)
            continue
        trusted: timedelta | None = answers.take(path, _or_none(values.duration), None)
        if trusted is not None:
            rules.append((pattern, trusted))
    return Windows(window, tuple(rules))


def _or_none(read: Callable[[Scalar], T]) -> Callable[[Scalar], T | None]:
    """The same, said so that `None` may be its default."""
    return read
