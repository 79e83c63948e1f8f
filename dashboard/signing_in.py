"""Failed sign-ins at the dashboard, for the log. Those of pulls have their own place."""

from __future__ import annotations

import logging
from typing import Any

from django.contrib.auth.signals import user_login_failed

from cache.access.users import find_user
from cache.oci.errors import quote

log = logging.getLogger(__name__)


def watch() -> None:
    """Have each logged from now on."""
    user_login_failed.connect(_tell, dispatch_uid=__name__)


def _tell(credentials: dict[str, Any], request: Any = None, **_: Any) -> None:
    if request is None or hasattr(request, "counted_name"):
        return  # a pull's, see cache.access.passwords
    name, address = credentials.get("username") or "", request.META.get("REMOTE_ADDR")
    if find_user(name) is None:
        # What was typed may have been a password.
        log.info("A wrong password came for nobody we know from %s, at the dashboard", address)
    else:
        log.warning("A wrong password came for %s from %s, at the dashboard", quote(name), address)
