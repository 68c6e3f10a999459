"""The processes of a simulated phone: all are found at any moment, and are gone when they were killed."""

from __future__ import annotations

import os
import signal

import pytest

from tests.simulated_phone.host import Host
from tools.simulated_phone import SimulatedPhone


def test_a_process_is_found_while_it_becomes_another(phone: SimulatedPhone, host: Host) -> None:
    """In the midst of exec a process has no environment to be known by, for a moment."""
    again = """exec sh -c "$again" """
    host.shell(f"export again='{again}'; sh -c \"$again\" >/dev/null 2>&1 &")
    (process,) = phone.process_ids()
    assert [phone.process_ids() for _ in range(100)] == [[process]] * 100


def test_killing_returns_when_everything_is_gone(
    phone: SimulatedPhone, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signals take effect later; here the first ones are lost, as if the processes had not been scheduled."""
    sent: list[int] = []
    kill = os.kill

    def late(pid: int, number: int) -> None:
        sent.append(number)
        if len(sent) > 3:
            kill(pid, number)

    host.shell("setsid sleep 100 >/dev/null 2>&1 &")
    monkeypatch.setattr(os, "kill", late)
    phone.kill_processes()
    assert phone.process_ids() == []
    assert set(sent) == {signal.SIGKILL}
