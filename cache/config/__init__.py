"""The configuration: one YAML file, as distribution's registry has it, and the environment.

`load` returns a frozen `Config` or raises `ConfigError`, which names every mistake at once.
The keys are described in docs/configuration.md and listed in `keys.py`.
"""

from __future__ import annotations

from cache.config.load import load
from cache.config.renewal import differences, renewed
from cache.config.shape import (
    Access,
    Address,
    Config,
    ConfigError,
    Exec,
    Http,
    Log,
    Metrics,
    Proxy,
    Reserve,
    Retention,
    Storage,
    Tls,
)

__all__ = [
    "Access",
    "Address",
    "Config",
    "ConfigError",
    "Exec",
    "Http",
    "Log",
    "Metrics",
    "Proxy",
    "Reserve",
    "Retention",
    "Storage",
    "Tls",
    "differences",
    "load",
    "renewed",
]
