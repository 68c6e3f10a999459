"""The phone behind adbd, as its services, commands and programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tools.simulated_phone.confinement import ConfinedThread
from tools.simulated_phone.events import EventLog
from tools.simulated_phone.faults import Fault, FaultPlan
from tools.simulated_phone.profile import Profile
from tools.simulated_phone.sandbox import Sandbox
from tools.simulated_phone.state import PhoneState


class Silenced(Protocol):
    """A host's link, which a fault may silence."""

    def be_silent(self, seconds: float) -> None:
        """Neither read nor write for a while."""
        ...


class Session(Protocol):
    """A shell that the phone runs, with all that it started."""

    def kill(self) -> None:
        """End it at once."""
        ...


class PhoneSystem(Protocol):
    """What a part of the phone may ask of the whole.

    Args:
        profile: kind of phone.
        serial: what ``getprop ro.serialno`` says.
        events: what happened.
        faults: what is to go wrong.
        sandbox: where its files lie.
        state: clocks, heat and modes.
        confined: starts processes that cannot leave the sandbox.
        processes: the shells that run.
    """

    profile: Profile
    serial: str
    events: EventLog
    faults: FaultPlan
    sandbox: Sandbox
    state: PhoneState
    confined: ConfinedThread
    processes: set[Session]

    @property
    def free_kb(self) -> int:
        """Free space as ``df`` tells it."""
        ...

    def disk_full_text(self) -> str:
        """What sync answers when the disk is full."""
        ...

    def environment(self) -> dict[str, str]:
        """Of every process that the shell starts."""
        ...

    def process_ids(self) -> Sequence[int]:
        """Every process of this phone's shell."""
        ...

    def signal_process(self, pid: int, name: str) -> None:
        """Send a signal, by name or number, to a process of the phone."""
        ...

    def strike(self, fault: Fault, link: Silenced | None) -> None:
        """Make a fault happen now, to the phone or to the link on which it was met."""
        ...

    def strike_later(self, fault: Fault, after_s: float) -> None:
        """Make a fault of the link or the system happen soon, on every link."""
        ...
