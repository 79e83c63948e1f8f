"""The WSGI application that gunicorn serves."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from cache.api.path_tokens import taking_tokens
from cache.api.request_ids import naming_requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mirrorsite.settings")

_django = get_wsgi_application()

# Only now: the views know the models, for which Django must be set up.
from cache.api.hot import answering_pulls, leave_connections_to_questions  # noqa: E402

leave_connections_to_questions()
application = taking_tokens(naming_requests(answering_pulls(_django)))

# Django would import the views at the first request: a fault in them shows at the start instead,
# and the first pull does not wait.
get_resolver().url_patterns  # noqa: B018
