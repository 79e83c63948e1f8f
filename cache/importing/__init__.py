"""Coming from Docker's registry: its storage folder is taken over, as if it had been pulled here.

A folder's links are the word of the registry that wrote it. Where that registry was a pull-through
cache they are upstream's word, as ours are (docs/decisions/0036).
"""

from cache.importing.adopt import Job, import_folder, total_size
from cache.importing.folder import NoRegistry, RegistryFolder
from cache.importing.report import Finding, Kind, Tally

__all__ = [
    "Finding",
    "Job",
    "Kind",
    "NoRegistry",
    "RegistryFolder",
    "Tally",
    "import_folder",
    "total_size",
]
