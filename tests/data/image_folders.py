"""Small image folders for tests."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def image_bytes(colour: tuple[int, int, int], *, size: int = 12, suffix: str = "png") -> bytes:
    """A picture in one colour with a white top left corner."""
    image = Image.new("RGB", (size, size), colour)
    image.paste((255, 255, 255), (0, 0, size // 4, size // 4))
    stream = io.BytesIO()
    image.save(stream, {"png": "PNG", "jpg": "JPEG"}[suffix])
    return stream.getvalue()


def folder_files(
    counts: dict[str, dict[str, int]], *, size: int = 12, suffix: str = "png"
) -> dict[str, bytes]:
    """``{split: {class: count}}`` as files; the split ``""`` puts the classes on top.

    Every picture has a colour of its own: red tells its class, green its split, blue its number.
    """
    files = {}
    for split_index, (split, classes) in enumerate(counts.items()):
        for class_index, (name, count) in enumerate(sorted(classes.items())):
            for number in range(count):
                path = "/".join(part for part in (split, name, f"{number:03d}.{suffix}") if part)
                colour = (40 * class_index, 60 * split_index, number)
                files[path] = image_bytes(colour, size=size, suffix=suffix)
    return files


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below ``root``."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_zip(path: Path, files: dict[str, bytes], *, top: str = "") -> Path:
    """Write files into a zip, below the folder ``top``."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{top}/{name}" if top else name, content)
    return path


def cifar_files(*, per_file: int = 20) -> dict[str, bytes]:
    """Files in the format of CIFAR-10's binary version, all classes equally often."""
    rng = np.random.default_rng(0)
    files = {}
    for name in [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]:
        records = rng.integers(0, 256, (per_file, 1 + 3072), dtype=np.uint8)
        records[:, 0] = np.arange(per_file) % 10
        files[name] = records.tobytes()
    return files
