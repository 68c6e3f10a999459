"""Converted operators, kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import platformdirs

from fbsearch.architecture import Operator
from fbsearch.errors import ExportError
from fbsearch.export.formats import ModelFormat
from fbsearch.ownership import sweep
from fbsearch.precision import Precision

EXPORTER_VERSION = 2
"""Raise it with every change of this room or of the blocks that changes a converted file."""

QUANTISER_VERSION = 1
"""Likewise for what only changes files of other precisions than fp32."""

CACHE_VARIABLE = "FBSEARCH_CACHE"

_ABANDONED_S = 3600.0
"""A conversion takes seconds: what nobody has written to for an hour is of a killed process."""

_CONVERTERS: dict[ModelFormat, tuple[str, ...]] = {
    "tflite": ("torch", "litert-torch", "litert-converter"),
    "onnx": ("torch", "onnx", "onnxscript"),
}
_QUANTISERS: dict[ModelFormat, tuple[str, ...]] = {
    "tflite": ("ai-edge-quantizer", "ai-edge-litert"),
    "onnx": ("onnxruntime",),
}


class ConversionCache:
    """A folder of converted operators, addressed by all that determines their content.

    Args:
        folder: where they lie; by default ``$FBSEARCH_CACHE/conversions``, or else ``conversions`` in
            fbsearch's folder among the user's caches.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or _default_folder()

    def path(self, operator: Operator, model_format: ModelFormat, precision: Precision = "fp32") -> Path:
        """Where ``operator`` converted to ``model_format`` lies, whether it is there yet or not."""
        content: dict[str, Any] = {
            "operator": operator.key,
            "exporter": EXPORTER_VERSION,
            "converters": _versions(_CONVERTERS[model_format]),
        }
        folder = self.folder / model_format
        if precision != "fp32":
            content |= {
                "precision": precision,
                "quantiser": QUANTISER_VERSION,
                "quantisers": _versions(_QUANTISERS[model_format]),
            }
            folder = folder / precision
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        return folder / f"{operator.key}-{digest}.{model_format}"

    def check_writable(self) -> None:
        """Make sure that the folder exists and takes files; what killed converters left there goes.

        Raises:
            ExportError: if it does not.
        """
        probe = self.folder / f".writable.{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"fbsearch")
            probe.unlink()
            sweep(self.folder, min_age_s=_ABANDONED_S)
        except OSError as error:
            raise ExportError(
                f"the conversion cache {self.folder} cannot be written ({error.strerror}); "
                f"free space there or set {CACHE_VARIABLE} to another folder"
            ) from error


def _default_folder() -> Path:
    chosen = os.environ.get(CACHE_VARIABLE)
    root = Path(chosen) if chosen else platformdirs.user_cache_path("fbsearch")
    return root / "conversions"


@cache
def _versions(packages: tuple[str, ...]) -> dict[str, str | None]:
    """Their versions; None for one that is not installed, whose use will say so."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
