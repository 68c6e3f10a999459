"""A file of a run as a validated record: one class both writes it and reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from fbsearch.errors import CheckpointError, MissingFileError, UnreadableFileError
from fbsearch.files import read_json, write_json

Positive = Annotated[FiniteFloat, Field(ge=0)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Record(BaseModel):
    """A part of a file. Fields unknown to this version are left aside: a newer run stays readable."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class FileRecord(Record):
    """A whole file; :attr:`made_by` is the command that writes it again."""

    made_by: ClassVar[str]


_File = TypeVar("_File", bound=FileRecord)


def read_record(path: Path, kind: type[_File]) -> _File:
    """The record in a file.

    Raises:
        CheckpointError: if the file is missing or damaged; the message names the field and the remedy.
    """
    try:
        return kind.model_validate(read_json(path))
    except MissingFileError:
        raise CheckpointError(f"{path} is missing; it is made by '{kind.made_by}'") from None
    except ValidationError as error:
        raise damaged(path, _first_complaint(error), kind.made_by) from None
    except UnreadableFileError as error:
        raise damaged(path, str(error), kind.made_by) from None


def find_record(path: Path, kind: type[_File]) -> _File | None:
    """The record in a file, or None where there is no file.

    Raises:
        CheckpointError: if the file is damaged.
    """
    return read_record(path, kind) if path.exists() else None


def write_record(path: Path, record: FileRecord) -> None:
    """Write a record as JSON, atomically."""
    write_json(path, record.model_dump(mode="json"))


def damaged(path: Path, reason: str, made_by: str) -> CheckpointError:
    """The error of a file that cannot be read, on one line."""
    text = " ".join(reason.split())[:300]
    return CheckpointError(
        f"{path}: damaged file of a run: {text}; run '{made_by}' again, or delete the file"
    )


def _first_complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
