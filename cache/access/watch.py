"""Telling every process of a change of users, groups, grants, access tokens or rules, at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save

from cache import models

#: What changes of a user without a meaning for anybody's rights.
_NO_MATTER = frozenset({"last_login"})


def watch(changed: Callable[[], None]) -> None:
    """Have ``changed`` called after each change that Django makes, in this process."""

    def tell(update_fields: frozenset[str] | None = None, **_: Any) -> None:
        if update_fields and update_fields <= _NO_MATTER:
            return
        # Now, for whoever asks inside the transaction; and when it counts for the others.
        changed()
        if not transaction.get_autocommit():
            transaction.on_commit(changed)

    user = get_user_model()
    kinds = (
        user,
        Group,
        models.Grant,
        models.AccessToken,
        models.AccessTokenLimit,
        models.VisibilityRule,
    )
    for signal in (post_save, post_delete):
        for kind in kinds:
            signal.connect(tell, sender=kind, weak=False, dispatch_uid="cache.access")
    m2m_changed.connect(
        tell,
        sender=user.groups.through,
        weak=False,
        dispatch_uid="cache.access",
    )
