"""skopeo, and a look at the folders that it fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.processes import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.images import Image

COMMAND = ("skopeo", "--insecure-policy")


def copy(address: str, reference: str, folder: Path, *options: str) -> None:
    """Copy `docker://address/reference` to a folder; skopeo verifies all digests."""
    source = f"docker://{address}/{reference}"
    run(*COMMAND, "copy", "--src-tls-verify=false", *options, source, f"dir:{folder}")


def inspect_raw(address: str, reference: str) -> str:
    """The manifest, as the registry sends it."""
    source = f"docker://{address}/{reference}"
    return run(*COMMAND, "inspect", "--raw", "--tls-verify=false", source)


def copied(folder: Path) -> dict[str, bytes]:
    """All that was copied: blobs under the hex of their digest, manifests as `…manifest.json`."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    del files["version"]
    return files


def blobs(image: Image) -> dict[str, bytes]:
    """The blobs of the image as skopeo names their files."""
    digests = (image.config_digest, *image.layer_digests)
    names = (str(digest).partition(":")[2] for digest in digests)
    return dict(zip(names, (image.config, *image.layers), strict=True))
