"""Fetching images before anyone asks: which, what of them, what it costs, and the work itself."""

from cache.warm.images import find_image
from cache.warm.platforms import ALL, NoPlatform, Selection, parse_platform
from cache.warm.reading import images_in_file
from cache.warm.requests import Found, Request, Skipped, Unreadable
from cache.warm.standing import Overview, Standing, State
from cache.warm.warming import Warming, Wish

__all__ = [
    "ALL",
    "Found",
    "NoPlatform",
    "Overview",
    "Request",
    "Selection",
    "Skipped",
    "Standing",
    "State",
    "Unreadable",
    "Warming",
    "Wish",
    "find_image",
    "images_in_file",
    "parse_platform",
]
