"""The mirror, the client and the upstream that the protocol's tests have, for the faults' own."""

from __future__ import annotations

from tests.protocol.conftest import client, mirror, name, shared_upstream, upstream

__all__ = ["client", "mirror", "name", "shared_upstream", "upstream"]
