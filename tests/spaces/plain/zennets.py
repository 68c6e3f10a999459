"""The published ZenNets: structure strings with their counts, squeeze and excitation apart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.spaces import build_structure, read_structure


@dataclass(frozen=True)
class ZenNet:
    """One of them."""

    structure: str
    resolution: int
    num_classes: int
    num_params: int
    num_macs: int

    def build(self, *, gated: bool = False) -> Architecture:
        """Its architecture."""
        return build_structure(
            read_structure(self.structure),
            resolution=self.resolution,
            num_classes=self.num_classes,
            gated=gated,
        )


ZENNETS = {
    name: ZenNet(**fields)
    for name, fields in json.loads(Path(__file__).with_suffix(".json").read_text("utf-8")).items()
}
