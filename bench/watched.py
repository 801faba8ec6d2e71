"""Runs a module, and keeps in a file how long its event loop stood still at worst: what any bot can be watched by.

    python -m bench.watched FILE MODULE [ARGUMENT …]

The file holds one number, in seconds. Whoever writes 0 into it begins anew, and -1 lets it rest: watching takes CPU.
"""

import asyncio
import mmap
import runpy
import struct
import sys
from pathlib import Path

BEAT_SECONDS = 0.02
REST_SECONDS = 1.0
_NUMBER = struct.Struct("d")


class Watched(asyncio.DefaultEventLoopPolicy):
    """Every loop ticks, and notes how late a tick came."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with path.open("r+b") as file:
            self._worst = mmap.mmap(file.fileno(), _NUMBER.size)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop = super().new_event_loop()
        due = loop.time() + BEAT_SECONDS

        def tick() -> None:
            nonlocal due
            now, (found,) = loop.time(), _NUMBER.unpack_from(self._worst)
            if 0 <= found < now - due:
                _NUMBER.pack_into(self._worst, 0, now - due)
            due = now + (BEAT_SECONDS if found >= 0 else REST_SECONDS)
            loop.call_at(due, tick)

        loop.call_at(due, tick)
        return loop


def worst(path: Path) -> float:
    """The longest standstill since it began."""
    (found,) = _NUMBER.unpack(path.read_bytes())
    return float(found)


def begin(path: Path, *, resting: bool = False) -> None:
    """Begin anew; or rest."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(_NUMBER.pack(-1.0 if resting else 0.0))


if __name__ == "__main__":
    _, file, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    asyncio.set_event_loop_policy(Watched(Path(file)))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
