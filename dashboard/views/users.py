"""Users and groups: who may sign in, and with which role. Nobody can give more than they have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import BadRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from dashboard.views.page import is_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

_ABOUT = ("Who", {"fields": ("username", "password")})
_MAY = ("May", {"fields": ("is_active", "is_staff", "groups")})
_WHEN = ("When", {"fields": ("last_login", "date_joined")})

admin.site.unregister(User)
admin.site.unregister(Group)


class _Listed(ModelAdmin):  # type: ignore[misc]  # unfold carries no types
    """A list that asks the database for nothing that it cannot have; Django's own does."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """No NUL, which PostgreSQL's driver refuses only when the list is read (here: a 400)."""
        return "\x00" not in value and bool(super().lookup_allowed(lookup, value, request))

    def response_action(self, request: HttpRequest, queryset: Any) -> Any:
        """What is ticked are rows (else: a 400)."""
        if not all(map(is_key, request.POST.getlist(ACTION_CHECKBOX_NAME))):
            raise BadRequest("what was ticked is no row of this list")
        return super().response_action(request, queryset)


@admin.register(User)
class Users(UserAdmin, _Listed):  # type: ignore[type-arg]  # only Django's stubs have a parameter
    """An administrator manages all users but those who may more."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "roles", "is_staff", "is_active", "last_login")
    list_filter = ("groups", "is_staff", "is_active")
    search_fields = ("username",)
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    add_fieldsets = (
        (
            None,
            {
                "fields": ("username", "password1", "password2", "is_staff", "groups"),
                "description": "The dashboard takes “Staff status” and a group that is a role: "
                "viewer, operator or administrator.",
            },
        ),
    )

    @admin.display(description="Groups")
    def roles(self, user: User) -> str:
        """The names of the user's groups."""
        return ", ".join(group.name for group in user.groups.all()) or "none"

    def get_queryset(self, request: HttpRequest) -> Any:
        """The groups come with one more query, not with one for each user."""
        return super().get_queryset(request).prefetch_related("groups")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Whoever could change somebody's password could be that one."""
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """As with changes; and nobody removes themselves by mistake."""
        may = super().has_delete_permission(request, obj) and _may_touch(request, obj)
        return may and (obj is None or obj.pk != request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Of those that were ticked, the ones that may be removed."""
        for user in queryset:
            if self.has_delete_permission(request, user):
                user.delete()

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Superusers alone make superusers."""
        if obj is None:
            return super().get_fieldsets(request, obj)
        rights = (*_MAY[1]["fields"], *(("is_superuser",) if request.user.is_superuser else ()))
        return (_ABOUT, (_MAY[0], {"fields": rights}), _WHEN)

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """The groups that may be given: those with no right that the giver lacks."""
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.name == "groups" and field is not None and not request.user.is_superuser:
            held = request.user.get_all_permissions()
            within = [group.pk for group in _groups() if _rights(group.permissions) <= held]
            field.queryset = Group.objects.filter(pk__in=within)
        return field


@admin.register(Group)
class Groups(GroupAdmin, _Listed):
    """Roles, and groups for grants. Superusers alone change what a group may do."""

    filter_horizontal = ()
    list_display = ("name", "members")

    @admin.display(description="Users")
    def members(self, group: Group) -> int:
        """How many users are in it."""
        return group.user_set.count()

    def get_fields(
        self,
        request: HttpRequest,
        obj: Group | None = None,  # noqa: ARG002 - as Django calls it
    ) -> tuple[str, ...]:
        """Permissions are for superusers: whoever gives them could take any."""
        return ("name", "permissions") if request.user.is_superuser else ("name",)


def _groups() -> Iterable[Group]:
    return Group.objects.all()


def _rights(permissions: Any) -> set[str]:
    rows = permissions.select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    """Whether the user may nothing, were it active, that the one who asks may not."""
    if user is None or request.user.is_superuser:
        return True
    if user.is_superuser:
        return False
    may = _rights(user.user_permissions).union(*(_rights(g.permissions) for g in user.groups.all()))
    return may <= request.user.get_all_permissions()
