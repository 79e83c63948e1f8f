"""The dashboard's roles: groups with the rights that go with them.

Django makes the permissions themselves only after all migrations, so those which the groups need are
made here, as it would make them.
"""

from typing import Any

from django.db import migrations

RIGHTS = {
    "view_dashboard": "May see the dashboard",
    "purge": "May purge images, and cancel transfers",
    "pin": "May pin images",
    "change_log_levels": "May change log levels",
    "test_upstreams": "May test the connection to an upstream",
    "check_tags": "May have tags checked at upstream",
}
VIEWER = {("cache", "right", "view_dashboard")}
OPERATOR = VIEWER | {("cache", "right", codename) for codename in RIGHTS}
ADMINISTRATOR = OPERATOR | {
    (app, model, f"{action}_{model}")
    for app, model in (
        ("auth", "user"),
        ("auth", "group"),
        ("cache", "grant"),
        ("cache", "accesstoken"),
        ("cache", "accesstokenlimit"),
        ("cache", "visibilityrule"),
    )
    for action in ("view", "add", "change", "delete")
}
NAMES = {"accesstoken": "access token", "accesstokenlimit": "access token limit",
         "visibilityrule": "visibility rule"}
ROLES = {"viewer": VIEWER, "operator": OPERATOR, "administrator": ADMINISTRATOR}


def make_roles(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    ContentType = apps.get_model("contenttypes", "ContentType")
    Permission = apps.get_model("auth", "Permission")
    Group = apps.get_model("auth", "Group")
    made = {}
    for app, model, codename in sorted(ADMINISTRATOR):
        kind, _ = ContentType.objects.using(alias).get_or_create(app_label=app, model=model)
        action = codename.partition("_")[0]
        name = RIGHTS.get(codename) or f"Can {action} {NAMES.get(model, model)}"
        made[app, model, codename], _ = Permission.objects.using(alias).get_or_create(
            content_type=kind, codename=codename, defaults={"name": name}
        )
    for role, rights in ROLES.items():
        group, _ = Group.objects.using(alias).get_or_create(name=role)
        group.permissions.add(*(made[right] for right in sorted(rights)))


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("cache", "0003_retention"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Right",
            fields=[],
            options={
                "permissions": list(RIGHTS.items()),
                "managed": False,
                "default_permissions": (),
            },
        ),
        # The groups stay when this is undone: people may have been put into them.
        migrations.RunPython(make_roles, migrations.RunPython.noop),
    ]
