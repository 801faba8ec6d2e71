"""Processes of Parley that begin with everything imported, which is most of what a start costs.

One process imports all of Parley and then waits. `start` has it fork, and what it forks is a process like any other:
arguments, environment, standard streams and a terminal of its own, signals that reach it, an exit code. What it cannot
show is the start itself: what is `fresh` is started from nothing, as an operator starts it.
"""

import asyncio
import atexit
import contextlib
import fcntl
import functools
import gc
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Forked", "start"]

_ROOT = Path(__file__).parent.parent
_IMPORTED = (
    *("alembic.command", "bot.doctor", "bot.modelcheck", "bot.people", "bot.running", "bot.app", "openai"),
    *("bot.adapters.console.screen", "bot.adapters.discord.connection", "bot.adapters.discord.examining"),
    *("bot.adapters.teams.adapter", "bot.adapters.teams.cloud", "bot.adapters.web", "skills.chat"),
)
_MOST = 65536  # bytes of a request


class Forked:
    """What `asyncio.create_subprocess_exec` would have returned, as far as it is used here."""

    def __init__(self, pid: int, ending: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self._ended = asyncio.create_task(self._end(ending))

    async def _end(self, ending: socket.socket) -> None:
        with ending:
            told = await asyncio.get_running_loop().sock_recv(ending, 4)
        (self.returncode,) = struct.unpack("i", told)

    async def wait(self) -> int:
        await asyncio.shield(self._ended)
        assert self.returncode is not None
        return self.returncode

    async def communicate(self, says: bytes | None = None) -> tuple[bytes, bytes]:
        """Say this, and nothing more; then read all there is, until it has ended."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.stdin.write(says or b"")
                await self.stdin.drain()
            self.stdin.close()
        out, err = await asyncio.gather(_rest(self.stdout), _rest(self.stderr))
        await self.wait()
        return out, err

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def attach(self, stdin: int, stdout: int, stderr: int) -> None:
        """Take hold of our ends of its pipes; -1 where there is none."""
        loop = asyncio.get_running_loop()
        if stdin >= 0:
            transport, protocol = await loop.connect_write_pipe(
                lambda: asyncio.streams.FlowControlMixin(loop), os.fdopen(stdin, "wb", 0)
            )
            self.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
            self._transports.append(transport)
        self.stdout, self.stderr = [await self._reading(each) for each in (stdout, stderr)]

    async def _reading(self, pipe: int) -> asyncio.StreamReader | None:
        if pipe < 0:
            return None
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
        )
        self._transports.append(transport)
        return reader

    async def close(self) -> None:
        """Make an end of it, by force if it still runs, and leave nothing open."""
        self.kill()
        await self.wait()
        for transport in self._transports:
            transport.close()
        await asyncio.sleep(0)  # they are closed in the loop's next round


async def _rest(reader: asyncio.StreamReader | None) -> bytes:
    return b"" if reader is None else await reader.read()


async def start(
    module: str,
    *words: str,
    env: Mapping[str, str],
    piped: tuple[bool, bool, bool] = (True, True, True),
    terminal: int | None = None,
    fresh: bool = False,
) -> Forked:
    """Begin `python -m module words…`. What is not `piped` of its standard streams leads nowhere; with a `terminal`
    they all lead there, and it is the one whose Ctrl-C reaches the process.
    """
    ours, theirs = [-1, -1, -1], [-1, -1, -1]
    told, telling = socket.socketpair()
    try:
        for number, wanted in enumerate(piped):
            if terminal is not None:
                theirs[number] = os.dup(terminal)
            elif wanted:
                reading, writing = os.pipe()
                theirs[number], ours[number] = (reading, writing) if number == 0 else (writing, reading)
            else:
                theirs[number] = os.open(os.devnull, os.O_RDWR)
        request = [module, words, dict(env), str(Path.cwd()), terminal is not None, fresh]
        socket.send_fds(_parent(), [json.dumps(request).encode()], [*theirs, telling.fileno()])
    finally:
        telling.close()
        for each in theirs:
            if each >= 0:
                os.close(each)
    told.setblocking(False)
    (pid,) = struct.unpack("i", await asyncio.get_running_loop().sock_recv(told, 4))
    forked = Forked(pid, told)
    await forked.attach(ours[0], ours[1], ours[2])
    return forked


@functools.cache
def _parent() -> socket.socket:
    """Where to ask for a process. The one that forks ends with the tests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        parent = subprocess.Popen(
            [sys.executable, "-m", "tests.forks", str(theirs.fileno())],
            cwd=_ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_ROOT)},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        parent.wait()

    atexit.register(end)
    return ours


# In the process that forks


def _wait_for_requests(asked: socket.socket) -> list[Any] | None:
    """Fork whenever it is asked for. Returns in each process that was forked, with what it is to be."""
    running: dict[int, int] = {}  # where to tell of the end of each
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking.fileno())
    while True:
        ready, _, _ = select.select([asked, woken], [], [])
        if woken in ready:
            woken.recv(_MOST)
            _tell_of_ends(running)
        if asked not in ready:
            continue
        request, given, _, _ = socket.recv_fds(asked, _MOST, 4)
        if not request:
            return None
        *streams, telling = given
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for each in (asked, woken, waking):
                each.close()
            for each in (telling, *running.values()):
                os.close(each)
            return [*json.loads(request), streams]
        running[pid] = telling
        for each in streams:
            os.close(each)
        os.write(telling, struct.pack("i", pid))


def _tell_of_ends(running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        telling = running.pop(pid)
        with contextlib.suppress(OSError):  # nobody wants to know
            os.write(telling, struct.pack("i", os.waitstatus_to_exitcode(status)))
        os.close(telling)


def _become(
    module: str,
    words: list[str],
    environment: dict[str, str],
    folder: str,
    terminal: bool,
    fresh: bool,
    streams: list[int],
) -> None:
    """Be what was asked for, to the end."""
    for number, each in enumerate(streams):
        os.dup2(each, number)
        os.close(each)
    if terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(folder)
    if fresh:
        os.execve(sys.executable, [sys.executable, "-m", module, *words], environment)
    os.environ.clear()
    os.environ.update(environment)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1 if terminal else -1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _main() -> None:
    for name in _IMPORTED:
        __import__(name)
    gc.collect()
    gc.freeze()  # what is imported is shared by all, as long as nobody looks through it for garbage
    asked = socket.socket(fileno=int(sys.argv[1]))
    begun = _wait_for_requests(asked)
    if begun is not None:
        _become(*begun)


if __name__ == "__main__":
    _main()
