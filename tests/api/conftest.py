"""Properties are checked without deadlines: the machine may be busy with other tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("mirrorsite", deadline=None, print_blob=True)
settings.load_profile("mirrorsite")
