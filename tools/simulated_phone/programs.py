"""The daemon's side of every command that the phone itself answers, and of programs that run models."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from tools.simulated_phone import applets
from tools.simulated_phone.applets import Continue
from tools.simulated_phone.faults import LINK_FAULTS, Fault
from tools.simulated_phone.launch import Launch
from tools.simulated_phone.system import PhoneSystem

MODEL_PROGRAMS = ("benchmark_model", "onnxruntime_perf_test")
_CLIENT = Path(__file__).with_name("client.py")
_REPOSITORY = Path(__file__).parents[2]
_MAX_REQUEST = 1 << 20
# A launch is under way when the link breaks, but has not told its figures yet.
_MID_LAUNCH_S = 0.1


@dataclass(frozen=True)
class _Request:
    program: str
    mask: str
    folder: str
    arguments: list[str]
    out: int
    err: int


class Programs:
    """Answers the scripts that stand for commands.

    Args:
        phone: whose commands they are.
    """

    def __init__(self, phone: PhoneSystem) -> None:
        self._phone = phone
        self._folder = Path(tempfile.mkdtemp(prefix="phone-"))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self._folder / "s"))
        self._listener.listen(16)
        self._worker_lock = threading.Lock()
        self._worker: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._add_commands()
        threading.Thread(target=self._accept, name="programs", daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """What tells the scripts where to ask."""
        return {"SIMULATED_PHONE_SOCKET": str(self._folder / "s"), "SIMULATED_PHONE_CLIENT": str(_CLIENT)}

    def warm_up(self) -> None:
        """Start the process that runs models, which otherwise the first launch does."""
        with self._worker_lock:
            self._worker_socket()

    def close(self) -> None:
        """Stop answering, and end the process that runs models with everything that it runs."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes whoever waits in accept
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        with self._worker_lock:
            if self._worker is not None:
                process, control = self._worker
                control.close()
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                self._worker = None

    def _add_commands(self) -> None:
        for name in (*self._phone.profile.commands, *applets.EVERYWHERE):
            text = (
                f"#!/usr/bin/env -S simulated-phone-python -IS\n"
                f"import os, sys\n"
                f"client = os.environ['SIMULATED_PHONE_CLIENT']\n"
                f"sys.argv[:1] = [client, '{name}', '{name}']\n"
                f"exec(compile(open(client).read(), client, 'exec'))\n"
            )
            self._phone.sandbox.add_command(name, text)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            message, descriptors, _, _ = socket.recv_fds(client, _MAX_REQUEST, 2)
            try:
                if len(descriptors) == 2:
                    words = [os.fsdecode(word) for word in message.split(b"\0")]
                    self._answer(client, _Request(words[0], words[1], words[2], words[3:], *descriptors))
            except OSError:
                pass  # the caller, or whoever reads its output, is gone
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    def _answer(self, client: socket.socket, request: _Request) -> None:
        if request.program in MODEL_PROGRAMS:
            self._launch(client, request)
            return
        answer = applets.answer(self._phone, request.program, request.arguments[1:], request.mask)
        if isinstance(answer, Continue):
            client.send(b"E" + b"\0".join(os.fsencode(word) for word in (answer.mask, *answer.command)))
            return
        os.write(request.err, answer.err.encode())
        content = memoryview(answer.out.encode())
        while content:
            content = content[os.write(request.out, content) :]
        _exit(client, answer.code)

    def _launch(self, client: socket.socket, request: _Request) -> None:
        phone = self._phone
        name, arguments = phone.sandbox.to_phone(request.arguments[0]), request.arguments[1:]
        faults = phone.faults.take("benchmark")
        for fault in faults:
            if fault.kind not in LINK_FAULTS:
                phone.strike(fault, None)
        mask = int(request.mask, 16) if request.mask else None
        slowdown = phone.state.launch(mask)
        said = [phone.sandbox.to_phone(argument) for argument in arguments]
        phone.events.append(
            "launch", program=request.program, arguments=said, mask=request.mask, slowdown=slowdown
        )
        own = next((f for f in faults if f.kind not in (*LINK_FAULTS, "throttled")), None)
        if own is not None and own.kind in ("wrong_abi", "crashing_binary"):
            self._fail_at_once(client, request, own, name)
            return
        launch = Launch(
            program=request.program,
            name=name,
            arguments=arguments,
            folder=request.folder,
            slowdown=slowdown,
            benchmark_format=phone.profile.benchmark_format,
            accelerators={"GPU": phone.profile.gpu, "NNAPI": phone.profile.nnapi},
            unknown_operators=list(phone.profile.unknown_operators),
            fault=own.kind if own is not None else "",
            variant=own.variant if own is not None else "",
        )
        self._hand_over(launch, client, request)
        for fault in faults:
            if fault.kind in LINK_FAULTS:
                phone.strike_later(fault, _MID_LAUNCH_S)
        client.recv(1)  # until the caller or the one that runs the model is done

    def _fail_at_once(self, client: socket.socket, request: _Request, fault: Fault, name: str) -> None:
        if fault.kind == "wrong_abi":
            text = f"{self._phone.profile.shell}: {name}: not executable: 64-bit ELF file\n"
            os.write(request.err, text.encode())
            _exit(client, 126)
        else:
            os.write(request.out, b"INFO: STARTING!\n")
            os.write(request.err, b"Segmentation fault\n")
            _exit(client, 139)

    def _hand_over(self, launch: Launch, client: socket.socket, request: _Request) -> None:
        descriptors = [client.fileno(), request.out, request.err]
        message = json.dumps(launch.to_dict()).encode()
        with self._worker_lock:
            socket.send_fds(self._worker_socket(), [message], descriptors)

    def _worker_socket(self) -> socket.socket:
        if self._worker is not None and self._worker[0].poll() is None:
            return self._worker[1]
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        process = self._phone.confined.run(
            lambda: subprocess.Popen(
                [sys.executable, "-m", "tools.simulated_phone.worker", str(theirs.fileno())],
                cwd=_REPOSITORY,
                env={**os.environ, **threads},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        )
        theirs.close()
        self._worker = (process, ours)
        return ours


def _exit(client: socket.socket, code: int) -> None:
    client.send(struct.pack("<cB", b"X", code))
