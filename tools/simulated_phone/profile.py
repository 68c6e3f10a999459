"""Kinds of phones: what a profile's folder in ``recordings/`` says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

RECORDINGS = Path(__file__).parent / "recordings"

BenchmarkFormat = Literal["tf2.1", "2020", "2024", "current"]
Accelerator = Literal["absent", "unsupported", "untouched", "partial", "full"]


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind.

    Args:
        cores: their numbers.
        min_khz: lowest clock.
        max_khz: highest clock.
        fixed_khz: clock cap in fixed-performance mode.
        slowdown: how much longer a model takes on these than on the fastest cores.
    """

    cores: tuple[int, ...]
    min_khz: int
    max_khz: int
    fixed_khz: int
    slowdown: float = 1.0


@dataclass(frozen=True)
class Profile:
    """A kind of phone.

    Args:
        name: its folder in ``recordings/``.
        banner: properties that adbd tells when a host connects.
        features: of adbd, such as ``shell_v2``.
        protocol_version: highest that adbd speaks.
        max_data: most bytes in a packet.
        is_terminal_cooked: an old adbd whose terminal ends lines with CR LF.
        shell: how the shell calls itself in its messages.
        bin_folder: where the commands lie.
        writable: folders that the shell user may write to.
        commands: commands that only this system has, answered from recordings; plain files tools are common.
        uname: answers of ``uname`` -s, -n, -r, -v and -m.
        clusters: the cores.
        governor: of every core.
        benchmark_format: age of the benchmark binary.
        gpu: what becomes of a request for the GPU delegate: ``absent`` fails, ``unsupported`` is a build
            without it, ``untouched`` applies it to nothing, ``partial`` and ``full`` to some or all.
        nnapi: likewise for NNAPI.
        has_fixed_performance: whether ``cmd power`` knows fixed-performance mode.
        unknown_operators: TFLite operators that the benchmark binary is too old for.
    """

    name: str
    banner: dict[str, str]
    features: tuple[str, ...]
    protocol_version: int
    max_data: int
    is_terminal_cooked: bool
    shell: str
    bin_folder: str
    writable: tuple[str, ...]
    commands: tuple[str, ...]
    uname: tuple[str, str, str, str, str]
    clusters: tuple[Cluster, ...]
    governor: str
    benchmark_format: BenchmarkFormat
    gpu: Accelerator
    nnapi: Accelerator
    has_fixed_performance: bool = False
    unknown_operators: tuple[str, ...] = ()

    @property
    def is_android(self) -> bool:
        """Whether it is a phone rather than a board with Linux."""
        return self.bin_folder == "/system/bin"

    @property
    def num_cores(self) -> int:
        """Cores of all clusters."""
        return sum(len(cluster.cores) for cluster in self.clusters)

    def recording(self, name: str) -> str | None:
        """A recorded text by its path in the profile's folder, or None where there is none."""
        file = RECORDINGS / self.name / name
        return file.read_text(encoding="utf-8") if file.is_file() else None


def profile_names() -> list[str]:
    """The kinds of phones that there are."""
    return sorted(folder.name for folder in RECORDINGS.iterdir() if (folder / "profile.json").is_file())


def read_profile(name: str) -> Profile:
    """A profile by name."""
    if name not in profile_names():
        raise ValueError(f"no profile {name!r}; there are {', '.join(profile_names())}")
    content = json.loads((RECORDINGS / name / "profile.json").read_text(encoding="utf-8"))
    clusters = tuple(
        Cluster(tuple(item.pop("cores")), **item) for item in (dict(item) for item in content.pop("clusters"))
    )
    tuples: dict[str, Any] = {
        key: tuple(content.pop(key)) for key in ("features", "writable", "commands", "uname")
    }
    return Profile(name=name, clusters=clusters, **tuples, **content)
