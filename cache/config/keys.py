"""Every key that a configuration may hold: distribution's `config.yml` (2.x and 3.x) and ours."""

from __future__ import annotations

from typing import Final

from cache.config.kinds import Ignored, ListOf, MapOf, Section, Text, one_or_more
from cache.config.upstream_keys import UPSTREAM

ONLY_FILES: Final = Ignored("only the file system store exists; set storage.filesystem")
READ_ONLY: Final = Ignored("clients can only pull here")
OWN_INDEX: Final = Ignored("the mirror keeps what it knows of blobs in its own database")

SCHEMA: Final = Section(
    {
        "version": Text("the form of the file, as distribution names it", "`0.1`"),
        "log": Section(
            {
                "level": Text("how much is logged"),
                "formatter": Text(
                    "`text`: one line of `key=value` an event; `json`: an object a line"
                ),
                "fields": MapOf(Text("names and values that are added to every line", "none")),
                "accesslog": Section(
                    {
                        "disabled": Text(
                            "`true`: requests leave no line each ([which](operating.md#the-log) "
                            "has the level `info`)",
                            otherwise="`false`",
                        )
                    }
                ),
                "hooks": Ignored("there are no log hooks; watch the log itself"),
                "reportcaller": Ignored("log lines name their logger instead"),
            }
        ),
        "loglevel": Ignored("set log.level"),
        "storage": Section(
            {
                "filesystem": Section(
                    {
                        "rootdirectory": Text(
                            "the folder for blobs, the database and the secret keys; made if it "
                            "is missing",
                            "`./data`",
                            "the path of a folder",
                        ),
                        "maxthreads": Ignored("MIRROR_THREADS bounds the threads of a worker"),
                    }
                ),
                "delete": Section(
                    {"enabled": Text("accepted for later use, as clients can only pull")}
                ),
                "scrub": Section(
                    {
                        "interval": Text(
                            "how often the whole store is read again to find damage; `0` is never "
                            "([more](operating.md#checking-the-store))"
                        ),
                        "rate": Text(
                            "how much of it is read in a second: a size such as `20MiB`, `1GiB` or "
                            "`500KB`"
                        ),
                    }
                ),
                "azure": ONLY_FILES,
                "gcs": ONLY_FILES,
                "inmemory": ONLY_FILES,
                "oss": ONLY_FILES,
                "rados": ONLY_FILES,
                "s3": ONLY_FILES,
                "swift": ONLY_FILES,
                "cache": OWN_INDEX,
                "maintenance": READ_ONLY,
                "redirect": Ignored("blobs are always sent by the mirror itself"),
                "tag": Ignored("tags are looked up in the mirror's own database"),
            },
            shorthand=True,
        ),
        "auth": Ignored("users sign in with the mirror's own accounts; see access"),
        "access": Section(
            {
                "anonymous": Text(
                    "what clients get that do not sign in: `public` content, or `none` "
                    "([more](access.md))"
                ),
                "visibility_ttl": Text(
                    "how long it is believed that upstream gives a repository to anonymous clients"
                ),
                "token_lifetime": Text("of the tokens that clients pull with"),
                "refresh_lifetime": Text(
                    "of the tokens that stand for a password, such as `docker login` keeps"
                ),
                "certificate_user": Text(
                    "what of a client's certificate is the user's name: `cn`, or the `email`, "
                    "`dns` or `uri` of its alternative names"
                ),
                "identity_header": Text(
                    "the header in which a trusted proxy names the client: a user, or a "
                    "certificate's subject",
                    "none",
                ),
            }
        ),
        "middleware": Ignored("there are no middlewares to load"),
        "reporting": Ignored("no error reporting service is called"),
        "http": Section(
            {
                "accel": Section(
                    {
                        "prefix": Text(
                            "the path below which an nginx in `http.trusted_proxies` finds the "
                            "store's blobs and sends them itself, such as `/_store/` "
                            "([more](operating.md#nginx-sends-the-blobs))",
                            "the mirror sends them",
                        )
                    }
                ),
                "addr": Text("where to listen: `:5000` is all addresses, IPv4 and IPv6"),
                "draintimeout": Text(
                    "how long the requests under way may take to end when the mirror is stopped; "
                    "`0` ends them at once"
                ),
                "headers": MapOf(
                    ListOf(
                        Text(
                            "headers that are added to every answer of the registry, each with a "
                            "list of values",
                            "none",
                        )
                    )
                ),
                "idle_timeout": Text(
                    "a client that takes no byte of an answer for so long is dropped, and so is "
                    "one whose request takes longer to arrive"
                ),
                "trusted_proxies": one_or_more(
                    "whose `X-Forwarded-For`, `-Proto` and `-Host` are believed"
                ),
                "tls": Section(
                    {
                        "certificate": Text(
                            "a PEM file: the mirror speaks TLS with it; goes with `http.tls.key`; "
                            "both are taken up anew [when they change](operating.md#tls)",
                            "plain HTTP",
                            "the path of a readable PEM file",
                        ),
                        "key": Text(
                            "the certificate's key, a PEM file without a password",
                            "plain HTTP",
                            "the path of a readable PEM file",
                        ),
                        "clientcas": ListOf(
                            Text(
                                "a client with a certificate from one of these PEM files is the "
                                "user whom it names ([more](access.md#signing-in))",
                                "no certificates",
                                "the path of a readable PEM file",
                            )
                        ),
                        "clientauth": Text(
                            "with `clientcas`: `require-and-verify-client-cert` lets nobody else "
                            "in, `verify-client-cert-if-given` does",
                            "`require-and-verify-client-cert`",
                        ),
                        "ciphersuites": Ignored("the system's OpenSSL chooses the cipher suites"),
                        "minimumtls": Ignored("the lowest version is the system OpenSSL's"),
                        "letsencrypt": Ignored(
                            "certificates are not fetched; set http.tls.certificate and "
                            "http.tls.key, without which the mirror speaks plain HTTP"
                        ),
                    }
                ),
                "debug": Section(
                    {
                        "addr": Text(
                            "`host:port` where metrics are answered and nothing else, in plain "
                            "HTTP",
                            "among the other paths",
                        ),
                        "prometheus": Section(
                            {
                                "enabled": Text(
                                    "`true`: Prometheus may read [metrics](operating.md#metrics), "
                                    "at `http.debug.addr` or with a token; one of the two is "
                                    "needed",
                                    "`false`",
                                ),
                                "path": Text("the path of the metrics", "`/metrics`"),
                                "token": Text(
                                    "what a scrape has to send as `Authorization: Bearer …`: 16 "
                                    "characters at least",
                                    "none",
                                ),
                                "token_file": Text("a file with that token alone", "none"),
                            }
                        ),
                    }
                ),
                "h2c": Ignored("the mirror speaks HTTP/1.1"),
                "host": Ignored("the mirror names itself as its clients do"),
                "http2": Ignored("the mirror speaks HTTP/1.1"),
                "net": Ignored("the mirror listens on TCP"),
                "prefix": Ignored("the mirror answers at /v2/; strip a prefix in front of it"),
                "relativeurls": Ignored("the mirror names itself as its clients do"),
                "secret": READ_ONLY,
            }
        ),
        "notifications": Ignored("no events are sent"),
        "redis": OWN_INDEX,
        "health": Ignored("there are no health checks to configure"),
        "catalog": Ignored("a page of /v2/_catalog has the size that the client asks for, bounded"),
        "compatibility": Ignored("manifests of every kind are passed on as upstream has them"),
        "validation": Ignored("clients can only pull here, so no manifest needs validation"),
        "policy": READ_ONLY,
        "proxy": Section(
            {
                **UPSTREAM,
                "ttl": Text(
                    "how long content is kept after its last pull; `0` is for ever "
                    "([more](retention.md))",
                    "`168h`",
                ),
                "remotenamespace": Ignored("repositories have the names that upstream gives them"),
            }
        ),
        "upstreams": MapOf(Section(UPSTREAM)),
        "retention": Section(
            {
                "max_size": Text(
                    "how large all blobs together may be; the least recently pulled goes first",
                    "no bound",
                ),
                "min_free": Text(
                    "what must stay free of the store's file system: a share such as `10%`, up "
                    "to `90%`, or a size"
                ),
                "keep": one_or_more(
                    "what is never evicted: `REPOSITORY`, `REPOSITORY:TAG`, `REPOSITORY@DIGEST`, "
                    "`DIGEST`, with patterns",
                    "nothing",
                ),
                "part_ttl": Text(
                    "how long the beginning of a blob is kept that nobody continues; `0` is for "
                    "ever"
                ),
                "upstreams": MapOf(
                    Section(
                        {"ttl": Text("`proxy.ttl` for one upstream, by its name", "`proxy.ttl`")}
                    )
                ),
            }
        ),
    }
)
