"""Django's settings, all of them taken from the one configuration (docs/configuration.md)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import dj_database_url

from cache.config import Config, ConfigError, load
from mirrorsite import logging as mirror_logging
from mirrorsite.secret_key import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

# Whoever starts anything here (a command, gunicorn) is told what is wrong, and no traceback.
try:
    MIRROR: Config = load(None, os.environ)
except ConfigError as error:
    sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
    sys.exit(2)


# Of each worker process; seconds to wait for a connection when all are taken.
POOL = {"min_size": 1, "max_size": 20, "timeout": 10}


def _database(config: Config) -> dict[str, Any]:
    """SQLite keeps a connection per thread; PostgreSQL is reached through a bounded pool."""
    if config.database_url is not None:
        parsed: dict[str, Any] = {**dj_database_url.parse(config.database_url, conn_max_age=0)}
        parsed["OPTIONS"] = {**parsed.get("OPTIONS", {}), "pool": POOL}
        return parsed
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(config.storage.root / "mirror.sqlite3"),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A deferred transaction that turns into a writer fails at once when another writer
            # came first; one that begins as a writer waits for its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
                "PRAGMA journal_size_limit=67108864"
            ),
        },
    }


DEBUG = False
SECRET_KEY = secret_key(MIRROR.storage.root, os.environ)

# Clients name a mirror by whatever name or address reaches it, and `/v2/` builds no address from
# the Host header: there is no list that an operator could usefully keep.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.staticfiles",
    "cache",
]

# Every pull passes through this list, so it stays this short. What only the dashboard needs
# (sessions, CSRF, messages) is for the dashboard's own paths.
MIDDLEWARE = [
    "cache.api.handlers.protocol_answers",
    "mirrorsite.static.StaticFiles",
]

ROOT_URLCONF = "mirrorsite.urls"
WSGI_APPLICATION = "mirrorsite.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
    },
]

DATABASES = {"default": _database(MIRROR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = MIRROR.storage.root / "static"

LOGGING = mirror_logging.dictionary(MIRROR.log)
