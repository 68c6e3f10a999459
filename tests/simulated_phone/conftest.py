"""A phone and a host connected to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import SimulatedPhone


@pytest.fixture
def phone(tmp_path: Path) -> Iterator[SimulatedPhone]:
    with SimulatedPhone(tmp_path / "phone") as phone:
        yield phone


@pytest.fixture
def host(phone: SimulatedPhone) -> Iterator[Host]:
    with Host(phone) as host:
        yield host.connect()
