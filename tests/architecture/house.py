"""The rooms of the house, who may enter which, and a checker that reads the imports.

The tables below are the design, written so that a change of it is a change of one line here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A room is a top-level package, or what lies directly in `cache`. Each may import itself and
# cache.oci, and of the rest of the house only what stands here.
ROOMS: dict[str, set[str]] = {
    "manage": {"cache.config", "cache.management"},
    "mirrorsite": {
        "dashboard",
        "cache.api",
        "cache.runtime",
        "cache.upkeep",
        "cache.config",
        "cache.logbook",
        "cache.request",
        "cache.meters",
        "cache.metrics",
        "cache.private_file",
        "cache.which_database",
    },
    "dashboard": {
        "cache.access",
        "cache.clients",
        "cache.overview",
        "cache.wording",
        "cache.pull",
        "cache.retention",
        "cache.catalog",
        "cache.database",
        "cache.runtime",
        "cache.models",
        "cache.logbook",
        "cache.pulse",
        "cache.diagnosis",
        "cache.config",
        "cache.freshness",
    },
    "cache.management": {
        "cache.clients",
        "cache.doctor",
        "cache.importing",
        "cache.moving",
        "cache.naming",
        "cache.overview",
        "cache.access",
        "cache.pull",
        "cache.retention",
        "cache.runtime",
        "cache.config",
        "cache.schema",
        "cache.scrub",
        "cache.streaming",
        "cache.upkeep",
        "cache.warm",
        "cache.which_database",
        "cache.wording",
    },
    "cache.api": {
        "cache.pull",
        "cache.readiness",
        "cache.retention",
        "cache.runtime",
        "cache.access",
        "cache.naming",
        "cache.config",
        "cache.tally",
        "cache.request",
        "cache.meters",
        "cache.metrics",
    },
    "cache.warm": {"cache.access", "cache.pull", "cache.runtime", "cache.naming", "cache.config"},
    "cache.clients": {"cache.naming", "cache.config"},
    "cache.doctor": {
        "cache.catalog",
        "cache.config",
        "cache.database",
        "cache.naming",
        "cache.probe",
        "cache.runtime",
        "cache.schema",
        "cache.streaming",
        "cache.upstream",
        "cache.which_database",
    },
    "cache.probe": {"cache.config"},
    "cache.schema": set(),
    "cache.which_database": {"cache.config", "cache.private_file"},
    "cache.private_file": set(),
    "cache.moving": {"cache.schema"},
    "cache.importing": {"cache.catalog", "cache.streaming"},
    "cache.naming": {"cache.config"},
    "cache.pull": {
        "cache.naming",
        "cache.tally",
        "cache.traffic",
        "cache.runtime",
        "cache.catalog",
        "cache.access",
        "cache.freshness",
        "cache.streaming",
        "cache.upstream",
        "cache.config",
        "cache.meters",
    },
    "cache.retention": {
        "cache.runtime",
        "cache.catalog",
        "cache.config",
        "cache.database",
        "cache.models",
        "cache.streaming",
        "cache.meters",
    },
    "cache.readiness": {"cache.database", "cache.runtime"},
    "cache.runtime": {
        "cache.streaming",
        "cache.upstream",
        "cache.config",
        "cache.access",
        "cache.contact",
        "cache.memory",
        "cache.negatives",
        "cache.shelf",
        "cache.signals",
        "cache.tally",
        "cache.traffic",
        "cache.version",
    },
    "cache.negatives": set(),
    "cache.shelf": set(),
    "cache.signals": set(),
    "cache.version": set(),
    "cache.upkeep": {
        "cache.runtime",
        "cache.access",
        "cache.catalog",
        "cache.report",
        "cache.retention",
        "cache.scrub",
        "cache.signals",
        "cache.meters",
    },
    "cache.report": {
        "cache.runtime",
        "cache.catalog",
        "cache.contact",
        "cache.logbook",
        "cache.pulse",
        "cache.metrics",
    },
    "cache.diagnosis": {"cache.runtime", "cache.upstream", "cache.config"},
    "cache.overview": {
        "cache.retention",
        "cache.runtime",
        "cache.config",
        "cache.models",
        "cache.pulse",
    },
    "cache.wording": set(),
    "cache.logbook": {"cache.request"},
    "cache.pulse": set(),
    "cache.scrub": {"cache.streaming"},
    "cache.access": {
        "cache.models",
        "cache.database",
        "cache.memory",
        "cache.config",
        "cache.private_file",
    },
    "cache.contact": set(),
    "cache.tally": set(),
    "cache.traffic": set(),
    "cache.catalog": {"cache.models", "cache.database", "cache.tally", "cache.traffic"},
    "cache.database": {"cache.meters"},
    "cache.meters": set(),
    "cache.metrics": {"cache.meters", "cache.request", "cache.runtime", "cache.version"},
    "cache.migrations": {"cache.models"},
    "cache.models": set(),
    "cache.apps": {"cache.access", "cache.runtime"},
    "cache.streaming": {"cache.meters"},
    "cache.upstream": {"cache.memory", "cache.meters", "cache.request"},
    "cache.request": set(),
    "cache.memory": set(),
    "cache.config": {"cache.freshness"},
    "cache.freshness": set(),
    "cache.oci": set(),
    "cache": set(),
}
FOR_EVERYONE = "cache.oci"

# Libraries that not everyone may import, and the modules (with all below them) that may.
LIBRARIES: dict[str, set[str]] = {
    "httpx": {"cache.upstream"},
    "httpcore": {"cache.upstream"},
    "gunicorn": {"mirrorsite"},
    "prometheus_client": {"cache.metrics"},
    "ninja": {"mirrorsite", "dashboard.views", "cache.api"},
    "django.http": {"mirrorsite", "dashboard.views", "cache.api"},
    "django": {
        "manage",
        "mirrorsite",
        "dashboard",
        "cache.access",
        "cache.api",
        "cache.apps",
        "cache.catalog",
        "cache.database",
        "cache.doctor",
        "cache.management",
        "cache.migrations",
        "cache.models",
        "cache.overview",
        "cache.moving",
        "cache.readiness",
        "cache.retention",
        "cache.runtime",
        "cache.schema",
        "cache.traffic",
    },
}

LONGEST_FILE = 400
NAMES_THAT_SAY_NOTHING = {"utils", "services", "common", "helpers"}

HOUSE = ("manage.py", "mirrorsite", "cache", "dashboard")
ALL_CODE = (*HOUSE, "tests", "bench", "handbook")


@dataclass(frozen=True, slots=True)
class Module:
    """A file of Python under `root`, with its dotted name."""

    root: Path
    path: Path

    @property
    def name(self) -> str:
        parts = self.path.relative_to(self.root).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]

    @property
    def where(self) -> str:
        return str(self.path.relative_to(self.root))

    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text("utf-8"), self.path)


def modules(root: Path, places: tuple[str, ...]) -> Iterator[Module]:
    for place in places:
        top = root / place
        for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
            yield Module(root, path)


def is_below(name: str, place: str) -> bool:
    return name == place or name.startswith(f"{place}.")


def room_of(name: str) -> str:
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "cache" else parts[0]


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """The line and the full dotted name of each import, wherever in the file it stands.

    `from a import b` counts as `a.b`: whether b is a module cannot be seen, and need not be.
    """
    for node in ast.walk(module.tree()):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, node)
            for alias in node.names:
                yield node.lineno, f"{origin}.{alias.name}"


def _origin(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def wrong_imports(root: Path) -> list[str]:
    """One line for each import that the tables do not allow; empty when all is well."""
    return [
        f"{module.where}:{line}: {fault}"
        for module in modules(root, HOUSE)
        for line, imported in imports(module)
        if (fault := _fault(module, imported))
    ]


def _fault(module: Module, imported: str) -> str | None:
    room, target = room_of(module.name), room_of(imported)
    if room not in ROOMS:
        return f"{room} is no room of the house"
    in_house = any(is_below(imported, Path(place).stem) for place in HOUSE)
    if in_house and target not in {room, FOR_EVERYONE, *ROOMS[room]}:
        return f"{room} may not import {target}"
    for library, allowed in LIBRARIES.items():
        if is_below(imported, library) and not any(is_below(module.name, one) for one in allowed):
            return f"{module.name} may not import {library}"
    return None


def misshapen_files(root: Path) -> list[str]:
    """One line for each file that is too long, or whose names hide what it does."""
    faults = []
    for module in modules(root, ALL_CODE):
        text = module.path.read_text("utf-8")
        if (lines := len(text.splitlines())) > LONGEST_FILE:
            faults.append(f"{module.where}: {lines} lines, allowed are {LONGEST_FILE}")
        if NAMES_THAT_SAY_NOTHING & set(module.name.split(".")):
            faults.append(f"{module.where}: say in the name what it is about")
        faults += [
            f"{module.where}:{node.lineno}: {node.name} manages too much"
            for node in ast.walk(module.tree())
            if isinstance(node, ast.ClassDef) and node.name.endswith("Manager")
        ]
    return faults
