"""Leaving a held blob's bytes to the proxy in front: nginx's X-Accel-Redirect.

The mirror says who may have the blob, and nginx sends the file. Only a trusted proxy that asks for
it, with `X-Sendfile-Type: X-Accel-Redirect`, gets such an answer.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from cache import runtime
from cache.api.forwarding import comes_from_proxy
from cache.api.ranges import ByteRange
from cache.pull import Held, hand_over

_WISH = "X-Sendfile-Type"
_KIND = "x-accel-redirect"

#: nginx would judge these by the file's own date and ETag, of which no client has heard.
#: `If-None-Match` has been judged before, by ours.
_OTHER_CONDITIONS = ("If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")


def handed_over(
    request: HttpRequest, blob: Held, wanted: ByteRange | None, headers: dict[str, str]
) -> HttpResponse | None:
    """The answer that has nginx send ``blob``, whose file is closed then; None to send it here.

    nginx finds the range by itself. What it would understand otherwise than we do is sent here: a
    Range that is ignored (``wanted`` is None in spite of it), and conditions.
    """
    prefix = runtime.current().config.http.accel_prefix
    if not prefix or request.headers.get(_WISH, "").lower() != _KIND:
        return None
    if not comes_from_proxy(request) or any(name in request.headers for name in _OTHER_CONDITIONS):
        return None
    if wanted is None and "Range" in request.headers:
        return None
    place = hand_over(blob)
    if place is None:
        return None
    blob.file.close()
    # Of the answer's length and ranges, nginx speaks itself.
    own = ("Accept-Ranges", "Content-Length", "Content-Range")
    kept = {name: value for name, value in headers.items() if name not in own}
    return HttpResponse(headers=kept | {"X-Accel-Redirect": prefix + place})
