"""Django's settings, all of them taken from the one configuration (docs/configuration.md)."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url

from cache import which_database
from cache.config import Config, ConfigError, load
from dashboard.theme import PLACE, THEME
from mirrorsite import logging as mirror_logging
from mirrorsite.secret_key import secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

# Whoever starts anything here (a command, gunicorn) is told what is wrong, and no traceback.
try:
    MIRROR: Config = load(None, os.environ)
except ConfigError as error:
    sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
    sys.exit(2)


# Seconds that anything waits for the database: for another writer of SQLite, for a connection to
# PostgreSQL or a lock in it. PostgreSQL has usually restarted sooner, and no client gives up yet.
DATABASE_PATIENCE = 5

# Of each worker process. A connection that cannot be made is given up soon too: the next request
# tries anew, where the pool itself would wait longer after each failure.
POOL = {
    "min_size": 1,
    "max_size": 20,
    "timeout": DATABASE_PATIENCE,
    "reconnect_timeout": DATABASE_PATIENCE,
}

# libpq's parameters; the address may say otherwise. A server that vanishes without a word is
# noticed by the kernel, in milliseconds or by keep-alives.
POSTGRESQL = {
    "connect_timeout": DATABASE_PATIENCE,
    "tcp_user_timeout": DATABASE_PATIENCE * 1000,
    "keepalives_idle": DATABASE_PATIENCE,
    "keepalives_interval": 1,
    "keepalives_count": DATABASE_PATIENCE,
    "options": f"-c lock_timeout={DATABASE_PATIENCE}s",
}


def _database(config: Config) -> dict[str, Any]:
    """SQLite keeps a connection per thread; PostgreSQL is reached through a bounded pool.

    A question gives its connection back when it is answered, see `cache.database`.
    """
    if config.database_url is not None:
        parsed: dict[str, Any] = {**dj_database_url.parse(config.database_url, conn_max_age=0)}
        parsed["OPTIONS"] = {**POSTGRESQL, **parsed.get("OPTIONS", {}), "pool": POOL}
        return parsed
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(which_database.file_of(config.storage.root)),
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A deferred transaction that turns into a writer fails at once when another writer
            # came first; one that begins as a writer waits for its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": DATABASE_PATIENCE,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; "
                "PRAGMA journal_size_limit=67108864"
            ),
        },
    }


DEBUG = False
SECRET_KEY = secret_key(MIRROR.storage.root, os.environ)

# Clients name a mirror by whatever name or address reaches it: there is no list that an operator
# could usefully keep. The one address that `/v2/` makes of a Host header, that of the token
# endpoint, goes back to the client that sent it.
ALLOWED_HOSTS = ["*"]

# A request line is bounded already; its query may have as many fields as fit into it.
DATA_UPLOAD_MAX_NUMBER_FIELDS = None

INSTALLED_APPS = [
    # A template is the first one's that has it: ours, the theme's, Django's.
    "dashboard.apps.Dashboard",
    "unfold.apps.BasicAppConfig",
    "dashboard.apps.Site",
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "cache",
]

# Who signs in, at `/v2/` or elsewhere, passes axes, which counts wrong passwords.
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# A person mistypes a few times; a quarter of an hour for ten guesses makes a million take years.
# The pair of account and address is locked: nobody can lock out somebody else.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_CALLABLE = "cache.access.passwords.counted_name"
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# What its middleware does, an answer of 429, `/v2/` does in the protocol's terms; the dashboard
# has it under another name, see mirrorsite.stack.
SILENCED_SYSTEM_CHECKS = ["axes.W002"]

# Every pull passes through this list. What only the dashboard needs steps aside for it.
MIDDLEWARE = [
    "cache.api.handlers.protocol_answers",
    "mirrorsite.static.StaticFiles",
    "mirrorsite.stack.believe_proxies",
    "mirrorsite.stack.content_security_policy",
    "mirrorsite.stack.secure_cookies",
    "mirrorsite.stack.Security",
    "mirrorsite.stack.Frames",
    "mirrorsite.stack.Sessions",
    "mirrorsite.stack.Csrf",
    "mirrorsite.stack.SignIn",
    "mirrorsite.stack.Messages",
    "mirrorsite.stack.Guessing",
]

ROOT_URLCONF = "mirrorsite.urls"
WSGI_APPLICATION = "mirrorsite.wsgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": _database(MIRROR)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LOGIN_URL = "/dashboard/login/"
# Where a sign-in leads to that names no page of ours.
LOGIN_REDIRECT_URL = PLACE

# The cookies are the dashboard's: no pull sends them, no script reads the session's. Whether they
# are for TLS only depends on how the page came, see mirrorsite.stack.
SESSION_COOKIE_NAME = "mirrorsite_session"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = PLACE
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_NAME = "mirrorsite_csrf"
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True

X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

UNFOLD = THEME

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False

STATIC_URL = "/static/"
STATIC_ROOT = MIRROR.storage.root / "static"

LOGGING = mirror_logging.dictionary(MIRROR.log)
