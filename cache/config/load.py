"""From the sources to one `Config`, or to the list of all that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cache.config import access_values, metrics, pem, retention, upstreams, values
from cache.config.document import LARGEST_BYTES, Scalar
from cache.config.environment import read_environment
from cache.config.shape import (
    Access,
    Address,
    ClientAuth,
    Config,
    ConfigError,
    Http,
    Log,
    Proxy,
    Scrub,
    Storage,
    Tls,
)
from cache.config.sources import HIDDEN, Answers, read_text
from cache.config.values import Refused
from cache.oci.errors import quote

FILE_VARIABLE = "MIRROR_CONFIG"
DATABASE_VARIABLE = "DATABASE_URL"
DEFAULT_FILE = Path("config.yml")
DEFAULT_ROOT = Path("data")


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file at `path`, else the one that MIRROR_CONFIG names, else ./config.yml if any.

    `environ` overrides the file. Raises ConfigError, with every mistake found in both.
    """
    answers = Answers()
    if path is None and environ.get(FILE_VARIABLE):
        path = Path(environ[FILE_VARIABLE])
    elif path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    if path is not None:
        _read_file(answers, path)
    read_environment(answers, environ)
    answers.take("version", values.version, "0.1")
    config = Config(
        storage=Storage(
            root=answers.take(
                "storage.filesystem.rootdirectory", values.folder, DEFAULT_ROOT.absolute()
            ),
            delete_enabled=answers.take("storage.delete.enabled", values.boolean, default=False),
            scrub=Scrub(
                interval=answers.take("storage.scrub.interval", values.duration, Scrub().interval),
                rate=answers.take("storage.scrub.rate", values.rate, Scrub().rate),
            ),
        ),
        log=_log(answers),
        http=_http(answers),
        access=_access(answers),
        proxy=(every := _upstreams(answers))[0],
        others=tuple(every[1:]),
        retention=retention.read(answers),
        database_url=_database_url(answers, environ),
        warnings=tuple(answers.warnings),
    )
    if answers.problems:
        raise ConfigError(tuple(answers.problems))
    return config


def _read_file(answers: Answers, path: Path) -> None:
    name = str(path) if str(path).isprintable() else quote(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            answers.problem(name, (), "a larger file", f"at most {LARGEST_BYTES} bytes")
        else:
            read_text(answers, content.decode("utf-8-sig"), name)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        answers.problem(name, (), f"no readable file ({reason})", "a YAML file")
    except UnicodeDecodeError:
        answers.problem(name, (), "bytes that are not UTF-8", "a YAML file in UTF-8")
    except ValueError:
        answers.problem(name, (), "no file name", "the name of a YAML file")


def _upstreams(answers: Answers) -> list[Proxy]:
    """All of them, the default one first."""
    proxy = upstreams.default(answers)
    return retention.with_ttls(answers, (proxy, *upstreams.others(answers, proxy)))


def _log(answers: Answers) -> Log:
    if _is(answers, "log.formatter", "logstash"):
        source = answers.found["log", "formatter"].source
        answers.warnings.append(f"{source}: log.formatter: logstash is not known; json is used")
    fields = {}
    for path in answers.under(("log", "fields")):
        try:
            name = values.field_name(path[-1])
        except Refused as refused:
            answers.problem(answers.found[path].source, path, "this name", refused.allowed)
            continue
        try:
            fields[name] = values.text(answers.found[path].value)
        except Refused as refused:
            answers.refuse(path, refused)
    return Log(
        level=answers.take("log.level", values.level, "info"),
        formatter=answers.take("log.formatter", values.formatter, "text"),
        requests=not answers.take("log.accesslog.disabled", values.boolean, default=False),
        fields=MappingProxyType(fields),
    )


def _http(answers: Answers) -> Http:
    addr = answers.take("http.addr", values.address, Address("", 5000))
    return Http(
        addr=addr,
        tls=_tls(answers),
        draintimeout=answers.take("http.draintimeout", values.grace, Http().draintimeout),
        headers=_headers(answers),
        idle_timeout=answers.take("http.idle_timeout", values.patience, Http().idle_timeout),
        trusted_proxies=answers.take_list(("http", "trusted_proxies"), access_values.network),
        accel_prefix=_accel_prefix(answers),
        metrics=metrics.read(answers, addr),
    )


def _headers(answers: Answers) -> Mapping[str, tuple[str, ...]]:
    base = ("http", "headers")
    headers: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(path[len(base)] for path in answers.under(base)):
        path = (*base, name)
        try:
            headers[values.header_name(name)] = answers.take_list(path, values.header_value)
        except Refused as refused:
            first = answers.found[answers.under(path)[0]]
            answers.problem(first.source, path, "this name", refused.allowed)
    return MappingProxyType(headers)


def _tls(answers: Answers) -> Tls | None:
    broken_before = len(answers.problems)
    certificate = answers.take("http.tls.certificate", _optional_file, None)
    key = answers.take("http.tls.key", _optional_file, None)
    clientcas = answers.take_list(("http", "tls", "clientcas"), pem.authorities)
    required: ClientAuth = "require-and-verify-client-cert"
    clientauth = answers.take("http.tls.clientauth", access_values.client_auth, required)
    if len(answers.problems) > broken_before:
        return None
    if certificate is None and key is None and not clientcas:
        return None
    if certificate is None or key is None:
        missing = "http.tls.certificate" if certificate is None else "http.tls.key"
        given = answers.found[answers.under(("http", "tls"))[0]]
        answers.problems.append(
            f"{given.source}: {missing}: found nothing; allowed a PEM file, as certificate and key "
            "are needed together, also for clientcas"
        )
        return None
    try:
        pem.check_pair(certificate, key)
    except Refused as refused:
        source = answers.found["http", "tls", "certificate"].source
        answers.problem(source, ("http", "tls"), refused.found or HIDDEN, refused.allowed)
    return Tls(certificate, key, clientcas, clientauth)


def _access(answers: Answers) -> Access:
    default = Access()
    access = Access(
        anonymous=answers.take("access.anonymous", access_values.anonymous, default.anonymous),
        visibility_ttl=answers.take(
            "access.visibility_ttl", access_values.belief, default.visibility_ttl
        ),
        token_lifetime=answers.take(
            "access.token_lifetime", access_values.token_lifetime, default.token_lifetime
        ),
        refresh_lifetime=answers.take(
            "access.refresh_lifetime", access_values.refresh_lifetime, default.refresh_lifetime
        ),
        certificate_user=answers.take(
            "access.certificate_user", access_values.certificate_name, default.certificate_user
        ),
        identity_header=answers.take("access.identity_header", access_values.identity_header, ""),
    )
    if access.identity_header:
        _needs_proxies(
            answers, ("access", "identity_header"), "a header that no proxy is trusted to set"
        )
    return access


def _accel_prefix(answers: Answers) -> str:
    prefix = answers.take("http.accel.prefix", values.path_prefix, "")
    if prefix:
        _needs_proxies(answers, ("http", "accel", "prefix"), "a path for which no proxy can ask")
    return prefix


def _needs_proxies(answers: Answers, key: tuple[str, ...], found: str) -> None:
    if not answers.under(("http", "trusted_proxies")):
        source = answers.found[key].source
        answers.problem(source, key, found, "none without http.trusted_proxies")


def _optional_file(value: Scalar) -> Path | None:
    return values.readable_file(value)


def _database_url(answers: Answers, environ: Mapping[str, str]) -> str | None:
    given = environ.get(DATABASE_VARIABLE)
    if not given:
        return None
    try:
        return values.postgres_url(Scalar(given))
    except Refused as refused:
        answers.problem(DATABASE_VARIABLE, (), refused.found or HIDDEN, refused.allowed)
        return None


def _is(answers: Answers, key: str, word: str) -> bool:
    found = answers.found.get(tuple(key.split(".")))
    return found is not None and found.value.text == word
