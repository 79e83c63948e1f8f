"""gunicorn's messages in the mirror's own log."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from gunicorn import glogging

if TYPE_CHECKING:
    from gunicorn.config import Config

# What a client tells the token endpoint, but for what it asks a token for: a daemon names there
# the account that it has at another registry.
_OF_THE_CLIENT = re.compile(r"(?<=[?&])(?!(?:scope|service)=)[^&]+")
_TOKEN_ENDPOINT = "/v2/token"  # noqa: S105 - an address


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn carries no types
    """Hands every record to the root logger, instead of formatting and writing it itself."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
            logger.propagate = True

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> Any:
        """What a line of the access log is made of: nothing that somebody would sign in with.

        gunicorn would take the user's name, or whatever stands there, from Basic credentials.
        """
        shown = {name: value for name, value in environ.items() if name != "HTTP_AUTHORIZATION"}
        if environ.get("PATH_INFO") == _TOKEN_ENDPOINT:
            for name in ("RAW_URI", "QUERY_STRING"):
                path, mark, query = str(environ.get(name, "")).rpartition("?")
                shown[name] = path + mark + _OF_THE_CLIENT.sub("...", f"?{query}")[1:]
        return super().atoms(resp, req, shown, request_time)
