"""The routes below `/v2/`. Every path has an answer in the protocol's terms."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path
from ninja import NinjaAPI

from cache.api import base, blobs, handlers, listings, manifests, tokens

api = NinjaAPI(docs_url=None, openapi_url=None, urls_namespace="registry")
api.add_router("", base.router)
api.add_router("", tokens.router)
api.add_router("", listings.router)
api.add_router("", manifests.router)
api.add_router("", blobs.router)
handlers.register(api)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", api.urls),
    re_path("", handlers.unmatched),
]
