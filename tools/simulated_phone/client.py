"""What runs in the simulated phone's shell in place of its commands: asks the phone, and ends as it says.

Not imported by anything: the scripts that stand for commands execute this text, without ``site`` and with
as few modules as possible, so that a command starts in about 10 ms.
"""

import _signal
import _socket
import os
import sys

_signal.signal(_signal.SIGINT, _signal.SIG_DFL)
program, arguments = sys.argv[1], sys.argv[2:]
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
try:
    connection.connect(os.environ["SIMULATED_PHONE_SOCKET"])
except OSError:
    sys.exit(f"{program}: the simulated phone is not there any more")
words = [program, os.environ.get("SIMULATED_PHONE_MASK", ""), os.getcwd(), *arguments]  # noqa: PTH109
files = b"".join(number.to_bytes(4, sys.byteorder) for number in (1, 2))
connection.sendmsg(
    [b"\0".join(os.fsencode(word) for word in words)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)]
)
answer = connection.recv(1 << 20)
if answer[:1] == b"X":  # exit with a code
    os._exit(answer[1])
if answer[:1] == b"E":  # go on as another program: mask, then its command line
    mask, *command = [os.fsdecode(word) for word in answer[1:].split(b"\0")]
    os.environ["SIMULATED_PHONE_MASK"] = mask
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{program}: exec {command[0]}: {error.strerror}\n".encode())
        os._exit(126 if isinstance(error, PermissionError) else 127)
os.write(2, b"Segmentation fault\n")  # whoever ran the program is gone
os._exit(139)
