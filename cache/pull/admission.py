"""Which repositories are passed on at all, whoever asks."""

from __future__ import annotations

from cache import runtime
from cache.oci.errors import RegistryError
from cache.oci.repository import Repository


def admit(repository: Repository) -> None:
    """Raise :class:`RegistryError` DENIED (403) unless the operator lets the repository through."""
    reason = _refusal(repository)
    if reason is not None:
        raise RegistryError("DENIED", f"the operator of this mirror {reason}", status=403)


def is_admitted(repository: Repository) -> bool:
    """Whether the operator lets the repository through."""
    return _refusal(repository) is None


def _refusal(repository: Repository) -> str | None:
    proxy = runtime.current().proxy_of(repository)
    if not proxy.deny and not proxy.allow:
        return None
    name = str(repository.name)
    if any(pattern.fits(name) for pattern in proxy.deny):
        return f"does not allow {repository} to be pulled"
    if proxy.allow and not any(pattern.fits(name) for pattern in proxy.allow):
        allowed = ", ".join(str(pattern) for pattern in proxy.allow[:5])
        return f"does not allow {repository} to be pulled: allowed at {proxy.name} is {allowed}"
    return None
