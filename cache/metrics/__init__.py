"""`/metrics`: what all processes have counted, as Prometheus reads it.

A scrape reads memory, a few small files and the file system's own numbers. It asks neither the
database nor an upstream, so it is as quick with a million blobs, and works while either is away.
"""

from cache.metrics.admission import is_admitted
from cache.metrics.exposition import CONTENT_TYPE, exposition
from cache.metrics.now import refresh, watch
from cache.metrics.requests import count_request

__all__ = ["CONTENT_TYPE", "count_request", "exposition", "is_admitted", "refresh", "watch"]
