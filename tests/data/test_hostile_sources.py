"""Data sets that somebody made to do harm: a clear line, in seconds, and nothing is started or filled."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import time
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
from PIL import Image

from fbsearch.data import load_data
from fbsearch.data.catalogue import MAX_CLASSES, Catalogue, Items, complete_splits, limited
from fbsearch.data.decoding import MAX_PIXELS, CorruptImageError, convert, decoded
from fbsearch.data.folder import FileReader, folder_catalogue
from fbsearch.data.room import Room
from fbsearch.errors import DataError
from tests.data.image_folders import cifar_files, folder_files, image_bytes, write_folder, write_zip

CLASSES = {"cat": 10, "dog": 10}
VICTIM = "cat/003.png"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"


def saved(image: Image.Image, format_name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_name, **options)
    return stream.getvalue()


def huge_png(side: int) -> bytes:
    """A few bytes that say to be an image of any size."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk + image_bytes((0, 0, 0))[33:]


def set_with(path: Path, content: bytes) -> Path:
    """A sound data set but for one image."""
    return write_folder(path / "set", {**folder_files({"": CLASSES}), VICTIM: content})


def loaded_within(seconds: float, source: Path) -> None:
    """Load at a size of our own, so that every image is met; a hang fails rather than waits."""
    start = time.monotonic()
    try:
        load_data(source, resolution=12, in_channels=3)
    finally:
        assert time.monotonic() - start < seconds


def test_postscript_in_an_image_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "started"
    for name in ("gs", "gswin64c", "gswin32c", "gswin64"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch {marker}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    with pytest.raises(DataError, match=r"1 corrupt images: cat/003\.png \(not an image\)"):
        load_data(set_with(tmp_path, EPS))
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (huge_png(9_000), "9000 x 9000 pixels: more than 80 million"),
        (huge_png(60_000), "corrupt images"),  # Pillow's own bound comes first
        (saved(Image.new("RGB", (9, 9)), "PCX"), "not an image"),
        (saved(Image.new("RGB", (9, 9)), "PDF"), "not an image"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_images_of_no_use(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        loaded_within(5, set_with(tmp_path, content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("in_channels", [1, 3])
def test_lab_colours_of_a_tiff(tmp_path: Path, in_channels: int) -> None:
    source = set_with(tmp_path, saved(Image.new("LAB", (9, 9), (255, 0, 0)), "TIFF"))
    data = load_data(source, resolution=12, in_channels=in_channels)
    assert not data.corrupt


def test_colours_that_have_no_other_form() -> None:
    with pytest.raises(CorruptImageError, match="its colours are La: save it as gray or RGB"):
        convert(Image.new("La", (9, 9)), 3)


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_formats_that_are_read(format_name: str) -> None:
    content = saved(Image.new("RGB", (9, 9), (200, 200, 200)), format_name)
    with decoded(content, size=9) as image:
        assert image.size == (9, 9)
        assert abs(image.convert("RGB").getpixel((4, 4))[1] - 200) < 4


@pytest.mark.parametrize("format_name", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_counts(format_name: str) -> None:
    first, second = Image.new("RGB", (9, 9), (0, 0, 0)), Image.new("RGB", (9, 9), (255, 255, 255))
    with decoded(saved(first, format_name, save_all=True, append_images=[second]), size=9) as image:
        assert image.convert("L").getpixel((4, 4)) == 0


def test_a_photograph_with_a_second_one_behind_it_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    wide = Image.new("RGB", (16, 8))
    content = saved(wide, "MPO", save_all=True, append_images=[wide], exif=exif)
    with decoded(content, size=8) as image:
        assert image.size == (8, 16)


def test_images_are_decoded_within_their_room() -> None:
    room, lock, sizes, most = Room(10), Lock(), [3, 9, 1, 10, 4, 5] * 5, []
    taken: list[int] = []

    def take(num_pixels: int) -> None:
        with room.taken(num_pixels):
            with lock:
                taken.append(num_pixels)
                most.append(sum(taken))
            time.sleep(0.001)
            with lock:
                taken.remove(num_pixels)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, sizes))
    assert len(most) == len(sizes)
    assert 0 < max(most) <= 10


def test_a_corrupt_image_leaves_its_room() -> None:
    torn = saved(Image.fromarray(np.zeros((6_000, 6_000), np.uint8)), "PNG")[:2000]
    for _ in range(1 + MAX_PIXELS // 6_000**2):
        with pytest.raises(CorruptImageError), decoded(torn, size=9):
            pass


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _linked_to_itself(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_pipe, r"cat/003\.png \(no regular file\)"),
        (_endless, r"cat/003\.png \(no regular file\)"),
        (_linked_to_itself, r"cat/003\.png \(unreadable: Too many levels"),
    ],
)
def test_files_that_are_none(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    source = set_with(tmp_path, b"")
    (source / VICTIM).unlink()
    make(source / VICTIM)
    with pytest.raises(DataError, match=message):
        loaded_within(5, source)


@pytest.mark.parametrize("make", [_pipe, _endless, _linked_to_itself])
def test_a_zip_that_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "set.zip")
    with pytest.raises(DataError, match=r"set\.zip.*give"):
        loaded_within(5, tmp_path / "set.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_zips_whose_decoders_know_no_bound(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name, content in folder_files({"": CLASSES}).items():
            archive.writestr(name, content, compress_type=method if name == VICTIM else None)
    with pytest.raises(DataError, match=rf"'cat/003.png' is compressed by method {method}: .*with deflate"):
        loaded_within(5, tmp_path / "set.zip")


def _altered(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """A zip with 100 MB of zeros, deflated, something of whose entry in the directory is changed."""
    with zipfile.ZipFile(path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**folder_files({"": CLASSES}), VICTIM: bytes(100 << 20)}.items():
            archive.writestr(name, content)
    content = bytearray((path / "set.zip").read_bytes())
    change(content, content.rindex(VICTIM.encode()) - 46)
    (path / "set.zip").write_bytes(bytes(content))
    return path / "set.zip"


def _small(content: bytearray, entry: int) -> None:
    content[entry + 24 : entry + 28] = struct.pack("<I", 500)


def _elsewhere(content: bytearray, entry: int) -> None:
    content[entry + 42 : entry + 46] = struct.pack("<I", len(content) - 3)


@pytest.mark.parametrize("change", [_small, _elsewhere])
def test_entries_that_lie(tmp_path: Path, change: Callable[[bytearray, int], None]) -> None:
    with pytest.raises(DataError, match=r"1 corrupt images: cat/003\.png \(unreadable in the zip"):
        loaded_within(5, _altered(tmp_path, change))


def test_an_entry_is_unpacked_to_its_size_alone(tmp_path: Path) -> None:
    import tracemalloc

    source = _altered(tmp_path, _small)
    tracemalloc.start()
    with pytest.raises(DataError):
        load_data(source, resolution=12, in_channels=3)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 20 << 20


def test_folders_that_all_link_to_one_another(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", folder_files({"": {f"c{number:02d}": 1 for number in range(12)}}))
    for folder in sorted(source.iterdir()):
        for other in sorted(source.iterdir()):
            (folder / f"to-{other.name}").symlink_to(other)
    with pytest.raises(DataError, match="remove those that go in circles"):
        loaded_within(5, source)


def test_a_folder_linked_to_itself_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "set", folder_files({"": CLASSES}))
    (source / "cat" / "round").symlink_to(source / "cat" / "round")
    data = load_data(source)
    assert len(data.train) + len(data.val) + len(data.test) == 20


def test_folders_1500_deep(tmp_path: Path) -> None:
    deep = write_zip(
        tmp_path / "set.zip", {**folder_files({"": CLASSES}), "cat/" + "a/" * 1500 + "x.png": b""}
    )
    with pytest.raises(DataError, match="below cat/a folders lie more than 32 deep"):
        loaded_within(5, deep)
    source = write_folder(tmp_path / "set", folder_files({"": CLASSES}))
    before = Path.cwd()
    try:
        os.chdir(source / "cat")
        for _ in range(1500):
            Path("a").mkdir()
            os.chdir("a")
    finally:
        os.chdir(before)
    try:
        with pytest.raises(DataError, match="below cat/a folders lie more than 32 deep"):
            loaded_within(5, source)
    finally:
        subprocess.run(["rm", "-rf", source], check=True)  # what clears up after tests does not reach so deep


@dataclass(frozen=True)
class ManyClasses:
    """An archive of as many classes as are asked for, with an image each."""

    num_classes: int
    source: Path = Path("many")

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(f"c{number:07d}" for number in range(self.num_classes))

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(f"{folder}/x.png" for folder in self.folders)

    def read(self, name: str) -> bytes:
        return b""


def test_200000_classes() -> None:
    start = time.monotonic()
    with pytest.raises(DataError, match=f"200000 classes, {MAX_CLASSES} at most"):
        folder_catalogue(ManyClasses(200_000))
    assert time.monotonic() - start < 10


def test_as_many_classes_as_there_may_be_are_split_in_seconds() -> None:
    labels = np.repeat(np.arange(20_000), 6)
    reader = FileReader(ManyClasses(2), ())
    names = tuple(f"c{label}" for label in range(20_000))
    catalogue = Catalogue("many", names, {"train": Items(np.arange(len(labels)), labels)}, reader, True)
    start = time.monotonic()
    splits = complete_splits(catalogue, seed=0, val_fraction=0.2, test_fraction=0.2)
    some = limited(splits["train"], 30_001, 20_000, name="many")
    assert time.monotonic() - start < 10
    assert len(some) == 30_001
    assert np.bincount(some.labels).min() >= 1


def test_class_names_that_cannot_be_read(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "c", cifar_files())
    os.mkfifo(source / "batches.meta.txt")
    with pytest.raises(DataError, match=r"batches\.meta\.txt: no regular file"):
        loaded_within(5, source)
