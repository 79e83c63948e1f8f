"""The ports, the limit of open files, and whether a client on this machine could pull."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.client import HTTPException
from urllib.parse import urlsplit

from django.db import Error as DatabaseError

from cache import catalog, naming, probe
from cache.config import Address, Config, ConfigError, Http, capacity, listener
from cache.doctor.line import Line, error, ok, warning


def look(config: Config, *, has_records: bool) -> Iterator[Line]:
    """Look at the listener, and pull a manifest through it if one is held."""
    yield from _open_files(os.environ)
    yield from _listener(config, has_records=has_records)
    if config.http.metrics.addr is not None:
        yield _metrics(config.http, config.http.metrics.addr)


def _open_files(environ: Mapping[str, str]) -> Iterator[Line]:
    topic = "open files"
    limit = capacity.raise_open_files()
    try:
        planned = capacity.plan(environ, limit)
    except ConfigError as mistake:
        for problem in mistake.problems:
            yield error(topic, problem, "put it right")
        return
    found = f"{limit} may be open: {planned.connections} connections for each of "
    found += f"{planned.workers} workers"
    if planned.connections < planned.threads + capacity.IDLE_CONNECTIONS:
        yield warning(topic, found, f"raise the limit to {capacity.MOST_FILES} (LimitNOFILE=)")
    else:
        yield ok(topic, found)


def _listener(config: Config, *, has_records: bool) -> Iterator[Line]:
    topic = f"port {config.http.addr.port}"
    address = listener.binding(config.http.addr)
    try:
        listener.check(address)
    except listener.CannotListen as problem:
        if not _is_listening(config.http):
            yield error(topic, str(problem), "nothing listens there")
            return
    else:
        yield warning(topic, "it is free, so no mirror runs", "manage.py serve")
        return
    yield from _service(config, topic, has_records=has_records)


def _metrics(http: Http, address: Address) -> Line:
    """The metrics' own address: without it, the mirror does not start either."""
    topic = f"port {address.port}"
    try:
        listener.check(listener.binding(address), "http.debug.addr")
    except listener.CannotListen as problem:
        if _are_metrics(replace(http, addr=address, tls=None)):
            return ok(topic, "metrics are read there")
        found, _, advice = str(problem).partition("; ")
        return error(topic, found, advice or "set http.debug.addr to another address")
    return ok(topic, "it is free for metrics: the next start listens there")


def _are_metrics(there: Http) -> bool:
    """Whether it answers as the mirror does; to a stranger, who gets no token."""
    try:
        status, body = probe.ask(there, there.metrics.path)
    except (OSError, HTTPException):
        return False
    if there.metrics.token:
        return (status, body) == (401, b"401 Unauthorized\n")
    return status == 200 and b"mirrorsite_" in body


def _is_listening(http: Http) -> bool:
    try:
        socket.create_connection(probe.where(http), probe.PATIENCE).close()
    except OSError:
        return False
    return True


def _service(config: Config, topic: str, *, has_records: bool) -> Iterator[Line]:
    """Something listens: whether it is the mirror, and what a client gets of it."""
    tls = config.http.tls
    if tls is not None and tls.clientcas:
        yield ok(topic, "it asks for clients' certificates, so no more is tried")
        return
    try:
        status, body = probe.ask(config.http, "/readyz")
        found = json.loads(body)
        parts = found["checks"]
    except ssl.SSLError:
        yield error(topic, "what listens there speaks no TLS", "stop it, or set http.addr")
        return
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        yield error(topic, "what listens there is no mirror", "stop it, or set http.addr")
        return
    wrong = [
        f"{name}: {part.get('detail', '')}" for name, part in parts.items() if "detail" in part
    ]
    if status != 200:
        yield error(topic, f"the mirror is not ready ({'; '.join(wrong)})", "see its log")
    elif wrong:
        yield warning(topic, f"the mirror is degraded ({'; '.join(wrong)})", "see its log")
    else:
        yield ok(topic, "the mirror is ready")
    yield from _pull(config, has_records=has_records)
    if tls is not None:
        yield _certificate(config)


def _pull(config: Config, *, has_records: bool) -> Iterator[Line]:
    topic = "a client's pull"
    status, _ = probe.ask(config.http, "/v2/")
    if status == 401:
        yield ok(topic, "clients have to sign in")
        return
    if status != 200:
        yield error(topic, f"/v2/ answers {status}", "see the mirror's log")
        return
    if not has_records:
        yield ok(topic, "/v2/ answers; what is held is not known here, so nothing is pulled")
        return
    try:
        held = catalog.any_manifest([upstream.name for upstream in config.upstreams])
    except DatabaseError as failure:
        found = f"the database does not say what is held ({type(failure).__name__})"
        yield error(topic, found, "see the mirror's log")
        return
    if held is None:
        yield ok(topic, "/v2/ answers; nothing is held yet that could be pulled")
        return
    repository, digest = held
    path = f"{naming.public_name(config, repository)}/manifests/{digest}"
    status, body = probe.ask(config.http, f"/v2/{path}")
    if status == 200 and body:
        yield ok(topic, f"a manifest of {repository} comes as it should")
    elif status in (401, 403):
        yield ok(topic, f"{repository} is for those who may pull it")
    else:
        yield error(topic, f"a held manifest of {repository} answers {status}", "see the log")


def _certificate(config: Config) -> Line:
    """Whether a client trusts the mirror as this machine would."""
    topic = "certificate"
    name = urlsplit(listener.url(config.http)).hostname or ""
    try:
        with (
            socket.create_connection(probe.where(config.http), probe.PATIENCE) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=name),
        ):
            return ok(topic, f"it is trusted here, for {name}")
    except ssl.SSLCertVerificationError as failure:
        return warning(
            topic,
            f"it is not trusted here for {name} ({failure.verify_message})",
            "give clients its authority, and the name that it is for",
        )
    except OSError as failure:
        return error(topic, f"no TLS ({failure.strerror or 'it failed'})", "see http.tls")
