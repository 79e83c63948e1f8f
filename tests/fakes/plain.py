"""For clients of the tests that speak plain HTTP."""

from __future__ import annotations

import ssl

#: Give it as `verify`: otherwise each new client reads the certificates of 140 authorities, which
#: takes longer than most of what is asked.
NO_AUTHORITY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
