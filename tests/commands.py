"""The real command line in a process of its own: `async with command("run") as parley`.

It is forked with everything imported (`tests/forks.py`); with `fresh=True` it is started as an operator starts it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import forks

__all__ = ["Ended", "Started", "command", "environment", "run"]

DEADLINE = 30.0


@dataclass(frozen=True)
class Ended:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


def environment(folder: Path, **given: str) -> dict[str, str]:
    """Nothing but what a process needs, with Parley's data in `folder` and what was `given`."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SYSTEMROOT") if name in os.environ}
    ours = {"PARLEY_DATA": str(folder), "PARLEY_PROBE": "0", "PORT": "0", "NO_COLOR": "1"}
    return kept | ours | given


async def run(folder: Path, *words: str, says: str = "", fresh: bool = False, **given: str) -> Ended:
    """Run a command to its end, with `says` on its standard input."""
    async with command(folder, *words, fresh=fresh, **given) as started:
        return await started.end(says)


class Started:
    """A command that runs."""

    def __init__(self, process: forks.Forked) -> None:
        self.process = process
        self.lines: list[str] = []

    async def line(self, start: str) -> str:
        """Read what it prints up to the line that begins this way; returns that line."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            while line := (await self.process.stdout.readline()).decode():
                self.lines.append(line.rstrip("\n"))
                if line.startswith(start):
                    return self.lines[-1]
        raise AssertionError(f"it ended without a line that begins with {start!r}: {self.lines}")

    async def end(self, says: str = "", *, by: signal.Signals | None = None) -> Ended:
        """Wait until it ends, of itself or by a signal."""
        if by is not None:
            self.process.send_signal(by)
        async with asyncio.timeout(DEADLINE):
            out, err = await self.process.communicate(says.encode())
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out.decode(), err.decode())


@asynccontextmanager
async def command(folder: Path, *words: str, fresh: bool = False, **given: str) -> AsyncIterator[Started]:
    """Start `parley` with these words; it does not outlive the block."""
    forked = await forks.start("bot", *words, env=environment(folder, **given), fresh=fresh or "PYTHONPATH" in given)
    try:
        yield Started(forked)
    finally:
        await forked.close()
