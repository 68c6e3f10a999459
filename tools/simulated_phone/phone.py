"""The simulated phone: adbd on a TCP port, a sandboxed shell, programs that really run models, faults."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tools.simulated_phone.authentication import KeyRing
from tools.simulated_phone.confinement import ConfinedThread
from tools.simulated_phone.events import EventLog
from tools.simulated_phone.faults import Fault, FaultPlan
from tools.simulated_phone.link import Link, Service
from tools.simulated_phone.profile import Profile, read_profile
from tools.simulated_phone.programs import Programs
from tools.simulated_phone.sandbox import Sandbox
from tools.simulated_phone.shell import ShellService
from tools.simulated_phone.state import PhoneState
from tools.simulated_phone.sync import SyncService
from tools.simulated_phone.system import Session, Silenced

_MARK = "SIMULATED_PHONE"
_DYING_S = 10.0
_BETWEEN_LOOKS_S = 0.01


class SimulatedPhone:
    """A phone that speaks ADB on a TCP port of this machine.

    Args:
        folder: where its files lie; kept, so that a second phone made on it finds them again.
        profile: kind of phone, or its name.
        port: 0 takes a free one, told by :attr:`port`.
        serial: what ``getprop ro.serialno`` says.
        authorised: public keys (lines of ``adbkey.pub``) of the hosts to let in, or None for every host.
        approve_after_s: after how long the person in front of the phone allows a new key; None is never.
        fragment_bytes: most bytes per packet that the phone sends, below what was agreed.
        faults: what goes wrong; more can be injected later.
        log: file to which every event is also written.

    Example::

        with SimulatedPhone(tmp_path, profile="pixel") as phone:
            phone.inject(Fault("cable_pulled", at="push", after=1))
            ...connect to 127.0.0.1:phone.port...
            assert phone.events.of("fault")
    """

    def __init__(
        self,
        folder: Path,
        *,
        profile: str | Profile = "pixel",
        port: int = 0,
        serial: str = "SIM0000001",
        authorised: Sequence[str] | None = None,
        approve_after_s: float | None = None,
        fragment_bytes: int | None = None,
        faults: Sequence[Fault] = (),
        log: Path | None = None,
    ) -> None:
        self.profile = read_profile(profile) if isinstance(profile, str) else profile
        self.folder = folder.absolute()
        self.serial = serial
        self.fragment_bytes = fragment_bytes
        self.approve_after_s = approve_after_s
        self.keys = None if authorised is None else KeyRing(authorised)
        self.events = EventLog(log)
        self.faults = FaultPlan()
        for fault in faults:
            self.faults.inject(fault)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sandbox = Sandbox(self.folder, self.profile)
        self.state = PhoneState(self.profile, self.sandbox)
        self.processes: set[Session] = set()
        self._mark = secrets.token_hex(8)
        self._links: set[Link] = set()
        self._lock = threading.RLock()
        self._is_closing = False
        self._absence = 0  # counts how often the phone went away
        self._listener = _bound(port)
        self.port: int = self._listener.getsockname()[1]

    # Life

    def start(self) -> SimulatedPhone:
        """Begin to listen."""
        self.confined = ConfinedThread([self.sandbox.root])
        self._programs = Programs(self)
        self._listen()
        return self

    def close(self) -> None:
        """End connections and processes; files stay."""
        with self._lock:
            self._is_closing = True
            self._absence += 1
            _stop_listening(self._listener)
            self._listener.close()
        self._end_links(reset=False)
        self.kill_processes()
        self._programs.close()
        self.state.close()
        self.confined.close()

    def __enter__(self) -> SimulatedPhone:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What can go wrong

    def inject(self, fault: Fault) -> None:
        """Let a fault happen; operations count from now."""
        self.faults.inject(fault)

    def strike(self, fault: Fault, link: Silenced | None) -> None:
        """Make a fault happen now, to the phone or to the link on which it was met."""
        self.events.append("fault", fault=fault.kind, at=fault.at)
        if fault.kind == "cable_pulled":
            self.pull_cable(fault.duration_s)
        elif fault.kind == "rebooting":
            self.reboot(fault.duration_s, has_slow_services=fault.variant == "slow-services")
        elif fault.kind == "adbd_killed":
            self.kill_adbd(fault.duration_s)
        elif fault.kind == "authorisation_revoked":
            self.revoke_authorisations(spared=link if fault.at == "connect" else None)
        elif fault.kind == "throttled":
            self.state.throttle(fault.times, fault.duration_s)
        elif fault.kind == "silent" and link is not None:
            link.be_silent(fault.duration_s)

    def strike_later(self, fault: Fault, after_s: float) -> None:
        """Make a fault of the link or the system happen soon, on every link."""

        def act() -> None:
            self.strike(fault, None)
            with self._lock:
                links = list(self._links)
            for link in links if fault.kind == "silent" else []:
                link.be_silent(fault.duration_s)

        timer = threading.Timer(after_s, act)
        timer.daemon = True
        timer.start()

    def warm_up(self) -> None:
        """Load the interpreter now; otherwise the first launch waits for it."""
        self._programs.warm_up()

    def pull_cable(self, seconds: float) -> None:
        """Reset every connection and refuse new ones for a while."""
        self._leave(seconds, reset=True)

    def kill_adbd(self, seconds: float) -> None:
        """Close every connection; init starts adbd again soon."""
        self._leave(seconds, reset=False)

    def reboot(self, seconds: float, *, has_slow_services: bool = False) -> None:
        """Go away with every process, and come back with files but without modes.

        adbd may be back before ``dumpsys`` and ``cmd`` find anybody who answers: as long again.
        """
        self._leave(seconds, reset=True, with_processes=True)
        self.state.boot(services_after_s=2 * seconds if has_slow_services else 0.0)
        self.events.append("rebooted")

    def revoke_authorisations(self, spared: Silenced | None = None) -> None:
        """Forget every host's key and close its connection, which has to be allowed anew.

        A host that is only about to show its key may be spared: it finds out by itself.
        """
        if self.keys is not None:
            self.keys.clear()
        self._end_links(reset=False, spared=spared)

    def disk_full_text(self) -> str:
        """What sync answers when the disk is full."""
        text = "No space left on device"
        return f"write failed: {text}" if "stat_v2" in self.profile.features else text

    @property
    def free_kb(self) -> int:
        """Free space as ``df`` tells it: nothing while a fault of the disk is to come next."""
        return 0 if any(fault.kind == "disk_full" for fault in self.faults.imminent) else 61_400_000

    @property
    def fixed_performance(self) -> bool:
        """Whether fixed-performance mode is on."""
        return self.state.is_fixed_performance

    # What links and services ask

    def banner(self) -> bytes:
        """What adbd tells about itself in its first packet."""
        properties = {**self.profile.banner, "features": ",".join(self.profile.features)}
        if not self.profile.features:
            del properties["features"]
        return ("device::" + "".join(f"{name}={value};" for name, value in properties.items())).encode()

    def service(self, name: str, link: Link) -> Service | None:
        """What answers to a service's name, or None where adbd refuses it."""
        kind, _, argument = name.partition(":")
        if name == "sync:":
            return lambda stream: SyncService(self, stream).serve()
        is_v2 = kind.startswith("shell,v2") and "shell_v2" in self.profile.features
        if is_v2 or kind in ("shell", "exec"):
            return lambda stream: ShellService(
                self, stream, argument, has_frames=is_v2, is_terminal=kind == "shell"
            ).serve()
        if kind == "reboot":
            return lambda stream: self.reboot(2.0)
        if kind == "root":
            return lambda stream: stream.send(b"adbd cannot run as root in production builds\n")
        return None

    def environment(self) -> dict[str, str]:
        """Of every process that the shell starts."""
        return {
            "PATH": str(self.sandbox.bin),
            "HOME": str(self.sandbox.root),
            "TMPDIR": str(self.sandbox.root / "data/local/tmp"),
            "ANDROID_DATA": str(self.sandbox.root / "data"),
            "USER": "shell",
            "LC_ALL": "C",
            _MARK: self._mark,
            **self._programs.environment,
        }

    def link_closed(self, link: Link) -> None:
        """A link is gone."""
        with self._lock:
            self._links.discard(link)

    def key_offered(self, link: Link) -> None:
        """A host that no key opened the door for shows its public key, and the phone asks its owner."""
        self.events.append("key_offered", key=link.offered_key)
        if self.approve_after_s is not None:
            timer = threading.Timer(self.approve_after_s, self.approve, [link])
            timer.daemon = True
            timer.start()

    def approve(self, link: Link | None = None) -> None:
        """The owner taps "allow" for the key of this link, or of every one that waits."""
        with self._lock:
            links = [link] if link is not None else list(self._links)
        for waiting in links:
            if waiting.offered_key is not None and not waiting.is_connected and self.keys is not None:
                self.keys.add(waiting.offered_key)
                self.events.append("key_approved")
                with contextlib.suppress(Exception):
                    waiting.welcome()

    def kill_processes(self) -> None:
        """SIGKILL for all that the phone's shell started, even if it left its session; all gone on return.

        One look is not enough: a process takes a while to die, and may have left a child before it did.
        """
        for process in list(self.processes):
            process.kill()
        end_s = time.monotonic() + _DYING_S
        num_in_vain = 0
        while num_in_vain < 2 and time.monotonic() < end_s:
            num_in_vain = 0 if self._kill_found() else num_in_vain + 1
            time.sleep(_BETWEEN_LOOKS_S)

    def _kill_found(self) -> bool:
        """SIGKILL for every process that one look finds, and whether it finds any."""
        found = self.process_ids()
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return bool(found)

    def signal_process(self, pid: int, name: str) -> None:
        """Send a signal, by name or number, to a process of the phone."""
        number = (
            int(name) if name.isdigit() else getattr(signal, f"SIG{name.removeprefix('SIG')}", signal.SIGTERM)
        )
        with contextlib.suppress(OSError):
            os.kill(pid, number)

    def process_ids(self) -> list[int]:
        """Every process of this phone's shell, found by the mark in its environment."""
        mark = f"{_MARK}={self._mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if mark in _environment(entry).split(b"\0"):
                        found.append(int(entry.name))
        return sorted(found)

    # Listening

    def _leave(self, seconds: float, *, reset: bool, with_processes: bool = False) -> None:
        with self._lock:
            if self._is_closing:
                return
            self._absence += 1
            _stop_listening(self._listener)
        self._end_links(reset=reset)
        if with_processes:
            self.kill_processes()
        timer = threading.Timer(seconds, self._come_back, [self._absence])
        timer.daemon = True
        timer.start()

    def _come_back(self, absence: int) -> None:
        with self._lock:
            if self._is_closing or absence != self._absence:
                return
            self._listen()
        self.events.append("listening")

    def _listen(self) -> None:
        self._listener.listen(16)
        threading.Thread(target=self._accept, args=(self._absence,), name="adbd", daemon=True).start()

    def _accept(self, absence: int) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            link = Link(sock, self)
            with self._lock:
                if absence != self._absence:
                    link.reset()
                    return
                self._links.add(link)
            threading.Thread(target=link.serve, name="adb link", daemon=True).start()

    def _end_links(self, *, reset: bool, spared: Silenced | None = None) -> None:
        with self._lock:
            links = [link for link in self._links if link is not spared]
        for link in links:
            if reset:
                link.reset()
            else:
                link.close()


def _environment(process: Path) -> bytes:
    """Of a process, by its folder in /proc; one that is becoming another program has none until it is."""
    while not (environment := (process / "environ").read_bytes()) and _is_becoming_another(process):
        time.sleep(0.001)
    return environment


def _is_becoming_another(process: Path) -> bool:
    """Whether it has memory, as no zombie or thread of the kernel does, and no environment until now."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    memory_bytes, environment_start, environment_end = (int(fields[place]) for place in (20, 47, 48))
    return memory_bytes > 0 and (environment_end == 0 or environment_start != environment_end)


def _stop_listening(listener: socket.socket) -> None:
    """Refuse connections from now on, and wake whoever waits for one; the port stays taken."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)


def _bound(port: int) -> socket.socket:
    """A socket at a port, or at any free one.

    Only a port asked for by its number stays taken while nobody listens, so a free one is found first.
    """
    while True:
        number = port or _free_port()
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", number))
        except OSError:
            listener.close()
            if port:
                raise
        else:
            return listener


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
