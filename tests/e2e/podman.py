"""podman with a storage of its own and the mirror in its registries.conf. There is no daemon."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.processes import NOWHERE, run

REGISTRIES = """\
[[registry]]
prefix = "docker.io"
location = "{nowhere}"
[[registry.mirror]]
location = "{mirror}"
insecure = true
"""

TRUST_ALL = '{"default": [{"type": "insecureAcceptAnything"}]}'


class Podman:
    """Keeps everything in `home`. Behind the mirror there is no Docker Hub to fall back to.

    `registries` is the text of its registries.conf, if the tests' own will not do.
    """

    def __init__(self, home: Path, mirror_address: str, registries: str | None = None) -> None:
        self._registries = home / "registries.conf"
        self._registries.write_text(
            registries or REGISTRIES.format(nowhere=NOWHERE, mirror=mirror_address)
        )
        self._policy = home / "policy.json"
        self._policy.write_text(TRUST_ALL)
        self._authfile = ("--authfile", str(home / "auth.json"))
        self._folders = (
            *("--root", str(home / "root")),
            *("--runroot", str(home / "run")),
            *("--tmpdir", str(home / "tmp")),
        )

    def pull(self, reference: str, *options: str) -> None:
        """`podman pull` for this machine's platform."""
        policy = ("--signature-policy", str(self._policy))
        self._podman("pull", "--quiet", *policy, *options, reference)

    def login(self, address: str, name: str, password: str) -> None:
        """`podman login`, which has to succeed."""
        credentials = ("--username", name, "--password", password)
        self._podman("login", "--tls-verify=false", *self._authfile, *credentials, address)

    def pull_from(self, address: str, reference: str) -> None:
        """Pull from a registry that one may be logged in to."""
        options = ("--quiet", "--tls-verify=false", "--signature-policy", str(self._policy))
        self._podman("pull", *options, *self._authfile, f"{address}/{reference}")

    def unpacked(self, reference: str) -> Path:
        """The root folder of the pulled image, as a container would see it."""
        return Path(self._podman("image", "mount", reference).strip())

    def forget(self) -> None:
        """Make it a client that has never pulled anything."""
        self._podman("rmi", "--all", "--force")
        assert self._podman("images", "--all", "--quiet") == ""

    def _podman(self, *arguments: str) -> str:
        return run(
            "podman",
            *self._folders,
            *("--storage-driver", "vfs"),
            *("--cgroup-manager", "cgroupfs"),
            *("--events-backend", "none"),
            *arguments,
            CONTAINERS_REGISTRIES_CONF=str(self._registries),
        )
