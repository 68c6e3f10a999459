"""Data sets: pictures of every format, archives of them, CIFAR-10's files."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
import zlib
from functools import partial
from pathlib import Path

from PIL import Image

from fbsearch.data import load_data
from tests.data.image_folders import cifar_files, folder_files, write_folder, write_zip
from tools.fuzz.contents import any_bytes
from tools.fuzz.kind import Kind

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_OTHERS = ("EPS", "PPM", "ICO", "PCX", "TGA", "SGI", "PDF", "JPEG2000")
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
_SIZES = ((1, 1), (1, 4000), (4000, 1), (7, 13), (300, 300))
_COUNTS = {"train": {"a": 3, "b": 3}, "test": {"a": 1, "b": 1}}
_NAMES = (
    "../a.png",
    "/a.png",
    "a/" * 400 + "a.png",
    "\x1b[2J.png",
    "train/a/000.png",
    "x",
    "a\x00b.png",
    ".png",
)


def make_pictures(folder: Path) -> tuple[Kind, ...]:
    """Folders and archives with a picture each that is changed."""
    pictures = write_folder(folder / "pictures", folder_files(_COUNTS))
    archive = write_zip(folder / "pictures.zip", folder_files(_COUNTS))
    cifar = write_folder(folder / "cifar", cifar_files())
    read = partial(_load, pictures)
    return (
        Kind("picture", pictures / "train" / "a" / "000.png", picture, read),
        Kind("archive", archive, members, _load_file),
        Kind("CIFAR file", cifar / "data_batch_2.bin", any_bytes, partial(_load, cifar)),
    )


def picture(content: bytes, rng: random.Random) -> bytes:
    """Another format, mode or size than its name says; a header of other sizes; bytes changed."""
    kind = rng.randrange(4)
    if kind == 0:
        return _with_sizes(content, rng)
    other = _drawn(rng)
    return other if kind == 1 else any_bytes(other, rng)


def members(content: bytes, rng: random.Random) -> bytes:
    """An archive with another name, size, method or content of a member."""
    kind = rng.randrange(4)
    if kind == 0:
        return any_bytes(content, rng)
    if kind == 1:
        return _with_method(content, rng)
    stream = io.BytesIO(content)
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "a", compression=zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of a name that is there already
        if kind == 2:
            archive.writestr(rng.choice(_NAMES), _drawn(rng))
        else:
            archive.writestr(f"train/a/{rng.randrange(9)}.png", b"\x00" * rng.choice((0, 10, 50_000_000)))
    return stream.getvalue()


def _load(root: Path, path: Path) -> None:
    splits = load_data(root, resolution=8, skip_corrupt=True)
    splits.train.pixels.read(splits.train.labels[:0])


def _load_file(path: Path) -> None:
    _load(path, path)


def _drawn(rng: random.Random) -> bytes:
    """A picture of a random format, in a mode that it may not be made for."""
    image = Image.new("RGB", rng.choice(_SIZES), (rng.randrange(256), 30, 60))
    stream = io.BytesIO()
    try:
        image.convert(rng.choice(_MODES)).save(stream, rng.choice((*_FORMATS, *_FORMATS, *_OTHERS)))
    except (OSError, ValueError, KeyError):  # no such picture of this format
        image.save(stream, "PNG")
    return stream.getvalue()


def _with_sizes(content: bytes, rng: random.Random) -> bytes:
    """A PNG whose header tells other sizes, sealed as it has to be."""
    sizes = struct.pack(">II", *(rng.choice((0, 1, 50_000, 2**31 - 1, 2**32 - 1)) for _ in range(2)))
    header = b"IHDR" + sizes + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def _with_method(content: bytes, rng: random.Random) -> bytes:
    """All members said to be packed otherwise, or encrypted, or of other sizes."""
    start = content.find(b"PK\x01\x02")
    offset, value = rng.choice(((8, 1), (10, 8), (10, 12), (10, 14), (10, 99), (20, 2**31), (24, 2**31)))
    width = "<I" if offset >= 20 else "<H"
    place = start + offset
    return content[:place] + struct.pack(width, value) + content[place + struct.calcsize(width) :]
