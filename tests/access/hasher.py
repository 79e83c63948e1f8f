"""Hashes for passwords that are quick."""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Quick(PBKDF2PasswordHasher):
    """Django's own, with few rounds."""

    iterations = 10


class Counting(Quick):
    """`verified` has an entry for each time that it was needed."""

    verified: list[None] = []  # noqa: RUF012 - to be shared

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        self.verified.append(None)
        return super().encode(password, salt, iterations)
