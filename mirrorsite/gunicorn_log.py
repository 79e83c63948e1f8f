"""gunicorn's messages in the mirror's own log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gunicorn import glogging

if TYPE_CHECKING:
    from gunicorn.config import Config


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn carries no types
    """Hands every record to the root logger, instead of formatting and writing it itself."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        for logger in (self.error_log, self.access_log):
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
            logger.propagate = True
