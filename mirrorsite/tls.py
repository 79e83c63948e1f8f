"""The listener's TLS: its certificate, key and authorities, taken up anew when their files change.

Every connection asks for the context and keeps the one that it began with, so a replacement ends no
transfer. Each worker looks by itself: nobody has to be told of a new certificate.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import ssl
import time
from typing import TYPE_CHECKING, TypeAlias

from cache.config import pem
from mirrorsite.settings import MIRROR

if TYPE_CHECKING:
    from pathlib import Path

    from cache.config import Tls

log = logging.getLogger(__name__)

#: Seconds between two looks at the files.
STEP = 1.0

#: Files that do not load may be half replaced: first one of the pair, then the other. After so many
#: seconds without a further change nobody is at it any more.
PATIENCE = 10.0

_State: TypeAlias = "tuple[tuple[int, ...] | None, ...]"


def client_certificates(tls: Tls) -> ssl.VerifyMode:
    """Whether clients have to, may or need not show a certificate."""
    if not tls.clientcas:
        return ssl.CERT_NONE
    is_a_choice = tls.clientauth == "verify-client-cert-if-given"
    return ssl.CERT_OPTIONAL if is_a_choice else ssl.CERT_REQUIRED


class _Told:
    """What one of the processes forked from here has logged, so that the others need not."""

    def __init__(self) -> None:
        self._fd = os.memfd_create("mirrorsite-tls")

    def is_news(self, sentence: str, state: _State) -> bool:
        """Whether nobody has said this of this state of the files just before."""
        mark = hashlib.sha256(f"{sentence}{state}".encode()).digest()
        # A process' lock (fcntl(2)): unlike flock's, those who have inherited the file share none.
        fcntl.lockf(self._fd, fcntl.LOCK_EX)
        try:
            is_news = os.pread(self._fd, len(mark), 0) != mark
            os.pwrite(self._fd, mark, 0)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN)
        return is_news


class Certificates:
    """The context made of the files in `tls` that loaded last.

    Make it before the fork: a worker that is born while the files are broken has its parent's.
    Raises OSError (ssl.SSLError too) if the files do not load now. :meth:`look` is for one thread.
    """

    def __init__(self, tls: Tls) -> None:
        self._tls = tls
        self._told = _Told()
        self._loaded = self._state()
        self.context = self._load()
        self._refused: _State | None = None
        self._refused_since = 0.0
        self._look_at = 0.0
        self._hurried = False

    def hurry(self) -> None:
        """Have the next look be patient with nothing. Any thread, or a signal's handler, may."""
        self._hurried = True

    def look(self, now: float) -> None:
        """Take up files that have changed; `now` in time.monotonic()'s seconds.

        Cheap enough to be called all the time. Files that cannot be taken change nothing, and are
        told of once, when they have stayed as they are for PATIENCE.
        """
        if now < self._look_at and not self._hurried:
            return
        patience = 0.0 if self._hurried else PATIENCE
        self._look_at, self._hurried = now + STEP, False
        # Before they are read: what changes after this is seen at the next look.
        state = self._state()
        if state == self._loaded:
            self._refused = None
            return
        try:
            self.context = self._load()
        except (OSError, ValueError) as error:
            self._refuse(state, pem.reason(error), now, patience)
        else:
            self._loaded, self._refused = state, None
            self._say(logging.INFO, "a new certificate is used from now on", state)

    def _refuse(self, state: _State, reason: str, now: float, patience: float) -> None:
        if state != self._refused:
            self._refused, self._refused_since = state, now
        if now - self._refused_since >= patience:
            sentence = f"do not load ({reason}): the certificate from before stays in use"
            self._say(logging.ERROR, f"the new files {sentence}", state)

    def _say(self, level: int, sentence: str, state: _State) -> None:
        if self._told.is_news(sentence, state):
            names = ", ".join(str(path) for path in self._files())
            log.log(level, "http.tls: %s; the files are %s", sentence, names)

    def _load(self) -> ssl.SSLContext:
        tls = self._tls
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # An empty password keeps OpenSSL from asking for one at the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
        for authority in tls.clientcas:
            context.load_verify_locations(authority)
        context.verify_mode = client_certificates(tls)
        return context

    def _files(self) -> tuple[Path, ...]:
        return (self._tls.certificate, self._tls.key, *self._tls.clientcas)

    def _state(self) -> _State:
        """What changes whenever a file is written, or another one stands at its path."""
        return tuple(_mark(path) for path in self._files())


def _mark(path: Path) -> tuple[int, ...] | None:
    try:
        # Through links, such as those that Kubernetes and certbot exchange.
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


#: The listener's; None where it speaks plain HTTP.
CERTIFICATES = None if MIRROR.http.tls is None else Certificates(MIRROR.http.tls)


def look() -> None:
    """Take up a new certificate, if there is one."""
    if CERTIFICATES is not None:
        CERTIFICATES.look(time.monotonic())


def reload() -> None:
    """At an operator's word (SIGHUP): files that do not load are told of at the next look."""
    if CERTIFICATES is not None:
        CERTIFICATES.hurry()
