"""How the dashboard looks and what its menu holds; django-unfold reads this from the settings."""

from __future__ import annotations

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

#: Below this path everything is the dashboard's, and nothing else is.
PLACE = "/dashboard/"


def _item(title: str, icon: str, page: str, permission: str | None = None) -> dict[str, Any]:
    item: dict[str, Any] = {"title": title, "icon": icon, "link": reverse_lazy(f"admin:{page}")}
    if permission is not None:
        item["permission"] = lambda request: request.user.has_perm(permission)
    return item


#: A teal that keeps 4.5:1 against white from 600 on, and against the dark page up to 500.
_PRIMARY = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.801)",
    "200": "oklch(91% .096 180.426)",
    "300": "oklch(85.5% .138 181.071)",
    "400": "oklch(77.7% .152 181.912)",
    "500": "oklch(70.4% .14 182.503)",
    "600": "oklch(51.1% .096 186.391)",
    "700": "oklch(43.7% .078 188.216)",
    "800": "oklch(38.6% .063 188.416)",
    "900": "oklch(33% .053 189)",
    "950": "oklch(27.7% .046 192.524)",
}

THEME: dict[str, Any] = {
    "SITE_TITLE": "Mirrorsite",
    "SITE_HEADER": "Mirrorsite",
    "SITE_SUBHEADER": "A mirror for container images",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("dashboard/icon.svg"),
        },
    ],
    "SITE_URL": None,
    "SITE_SYMBOL": "flip",
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": _PRIMARY,
        # The theme's own subtle shades are a little too faint on its grey for 4.5:1.
        "font": {
            "subtle-light": "var(--color-base-600)",
            "subtle-dark": "var(--color-base-300)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-200)",
        },
    },
    "STYLES": [lambda _request: static("dashboard/dashboard.css")],
    "SCRIPTS": [lambda _request: static("dashboard/dashboard.js")],
    "COMMAND": {"search_models": False, "show_history": False},
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "title": "Mirror",
                "items": [
                    _item("Overview", "monitoring", "index"),
                    _item("Transfers", "swap_vert", "transfers"),
                    _item("Repositories", "inventory_2", "repositories"),
                    _item("Pins", "keep", "pins"),
                    _item("Purge", "delete_sweep", "purge"),
                    _item("Upstreams", "cloud", "upstreams"),
                    _item("Logs", "article", "logs"),
                    _item("Connect a client", "cable", "connect"),
                ],
            },
            {
                "title": "Access",
                "items": [
                    _item("Grants and tokens", "key", "access", "cache.view_grant"),
                    _item("Users", "person", "auth_user_changelist", "auth.view_user"),
                    _item("Groups", "group", "auth_group_changelist", "auth.view_group"),
                ],
            },
        ],
    },
}
