"""Django looks for models' pages here."""

from dashboard.views import users

__all__ = ["users"]
