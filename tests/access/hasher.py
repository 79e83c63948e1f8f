"""A hash for passwords that is quick, and counts."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Counting(PBKDF2PasswordHasher):
    """Django's own, with few rounds; `verified` has an entry for each time that it was needed."""

    iterations = 10
    verified: list[None] = []  # noqa: RUF012 - to be shared

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        self.verified.append(None)
        return super().encode(password, salt, iterations)
