"""Pictures of pages, small enough to be kept: few colours, each of a page's own.

A browser's pictures have three bytes for each dot and nothing else to say with them. With a palette
of the page's most frequent colours they take a quarter.
"""

from __future__ import annotations

import base64
import os
import struct
import zlib
from collections import Counter
from pathlib import Path

from playwright.sync_api import Page

#: Where the pictures for the documentation go, if somebody wants them.
FOLDER = os.environ.get("MIRROR_PICTURES")

#: For whoever looks at the layout: those of narrow and of wide screens, too.
OF_ALL_WIDTHS = bool(os.environ.get("MIRROR_PICTURES_OF_ALL_WIDTHS"))

_COLOURS = 256

_PIXELS = """
async data => {
  const picture = new Image();
  picture.src = "data:image/png;base64," + data;
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const pixels = new Uint8Array(context.getImageData(0, 0, picture.width, picture.height).data);
  let text = "";
  for (let n = 0; n < pixels.length; n += 32768) {
    text += String.fromCharCode(...pixels.subarray(n, n + 32768));
  }
  return [picture.width, picture.height, btoa(text)];
}
"""


def keep(page: Page, name: str) -> None:
    """Write the whole page to the folder for pictures, if there is one."""
    if not FOLDER:
        return
    shot = base64.b64encode(page.screenshot(full_page=True)).decode()
    blank = page.context.new_page()
    width, height, pixels = blank.evaluate(_PIXELS, shot)
    blank.close()
    path = Path(FOLDER) / f"{name}.png"
    path.write_bytes(_png(width, height, base64.b64decode(pixels)))


def _png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG of palette colours (https://www.w3.org/TR/png-3/)."""
    # Two shades that differ in the last three bits are one to the eye.
    colours = memoryview(bytes(byte & 0xF8 | 7 for byte in range(256))[:])
    coarse = pixels.translate(bytes(colours))
    values = memoryview(coarse).cast("I")
    palette = [value for value, _ in Counter(values).most_common(_COLOURS)]
    place = {value: number for number, value in enumerate(palette)}
    for value in set(values):
        if value not in place:
            place[value] = min(range(len(palette)), key=lambda n: _distance(palette[n], value))
    flat = bytes(map(place.__getitem__, values))
    rows = b"".join(b"\0" + flat[n * width : (n + 1) * width] for n in range(height))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(value.to_bytes(4, "little")[:3] for value in palette)),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _distance(one: int, other: int) -> int:
    return sum(abs((one >> shift & 0xFF) - (other >> shift & 0xFF)) for shift in (0, 8, 16))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
