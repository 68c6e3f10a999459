"""A TorchScript file as a teacher.

Nothing of it is unpickled in Python: torch reads its constants with an unpickler of its own that knows
tensors and plain values. It is a program all the same, which may do what torch's operators do, write files
too: only for files whose origin is trusted.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import torch

from fbsearch.errors import InvalidInputError, UnreadableFileError
from fbsearch.files import MODEL_BYTES, check_regular

_MOST_MEMBERS = 100_000
_CODE_BYTES = 64 * 2**20


def load_script(path: Path) -> torch.jit.ScriptModule:
    """The program in a TorchScript file, on the CPU.

    Raises:
        InvalidInputError: if the file is none.
    """
    _check_archive(path)
    try:
        return torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-any-return, no-untyped-call]
    except Exception as error:  # torch names what is wrong with a file in errors of many kinds
        raise InvalidInputError(
            f"{path}: no TorchScript file that this torch reads: {_reason(error)}"
        ) from None


def _check_archive(path: Path) -> None:
    """It unpacks to no more than a model has, and holds code; torch.jit.save compresses the code alone."""
    try:
        check_regular(path, most_bytes=MODEL_BYTES)
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (UnreadableFileError, zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InvalidInputError(f"{path}: cannot read a TorchScript file: {error}") from None
    packed = sum(member.file_size for member in members if member.compress_type != zipfile.ZIP_STORED)
    if len(members) > _MOST_MEMBERS or packed > _CODE_BYTES:
        raise InvalidInputError(
            f"{path}: no TorchScript file: {len(members):,} members, of which {packed:,} bytes are compressed"
        )
    if sum(member.file_size for member in members) > MODEL_BYTES:
        raise InvalidInputError(f"{path}: unpacks to more than {MODEL_BYTES:,} bytes, the most of a model")
    if not any("/code/" in member.filename for member in members):
        raise InvalidInputError(
            f"{path}: holds no TorchScript code; a pickled model is not read: save it with torch.jit.save, "
            "or name a function that makes it, module:function"
        )


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
