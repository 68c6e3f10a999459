"""Devices of simulated phones, for commands that are given their names."""

from __future__ import annotations

import socket
from pathlib import Path

import yaml

from tools.simulated_phone import SimulatedPhone

ROOT = Path(__file__).parents[2]
BINARY = ROOT / "tools" / "simulated_phone" / "benchmark_model"
QUICK = {
    "confidence": 0.5, "min_rounds": 2, "max_rounds": 2, "round_ms": 5, "target_relative_ci": 0.9,
    "drift_tolerance": 9.0, "patience_s": 0, "cooldown_s": 0, "initial_sentinel_readings": 1,
}  # fmt: skip


def place(phone: SimulatedPhone) -> str:
    return f"127.0.0.1:{phone.port}"


def write_device(name: str, address: str, **fields: object) -> None:
    data = {"name": name, "kind": "adb", "address": address, "transport": "tcp"}
    data |= {"binary": str(BINARY), "protocol": QUICK, **fields}
    Path("devices", f"{name}.yaml").write_text(yaml.safe_dump(data))


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
