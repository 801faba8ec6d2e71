"""An hour of speech got ready to be listened to: how long it takes, and how much memory. Linux only.

`python -m bench.recording [MINUTES]`. The speech is synthetic; a tenth of it are pauses.
"""

import array
import asyncio
import contextlib
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from bot.media import listen

RATE = 16_000


def make(minutes: int, path: Path) -> None:
    """Write a recording as voice messages are: Ogg Opus. In a process of its own, because it takes memory."""
    from tests.sounds import babble, encoded

    minute = array.array("h")
    while len(minute) < 60 * RATE:
        minute.extend(babble(4.5, seed=len(minute) // RATE))
        minute.extend([0] * (RATE // 2))
    path.write_bytes(encoded(minute[: 60 * RATE] * minutes, "ogg", "libopus", rate=RATE))


def children_peak() -> int:
    """The most memory, in KiB, that any process has taken so far which was started from here and still runs."""
    peak = 0
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{child}/status").read_text().splitlines()
                peak = max(peak, int(next(line for line in lines if line.startswith("VmHWM")).split()[1]))
    return peak


async def measure(minutes: int, path: Path) -> None:
    sound = await asyncio.to_thread(path.read_bytes)
    stalled, peak, running = 0.0, 0, True

    async def read() -> bytes:
        return sound

    async def watch() -> None:
        nonlocal stalled, peak
        while running:
            at = time.monotonic()
            await asyncio.sleep(0.02)
            stalled = max(stalled, time.monotonic() - at - 0.02)
            peak = max(peak, children_peak())

    before, made = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN)
    watching = asyncio.create_task(watch())
    begun = time.monotonic()
    heard = await listen(read, len(sound), most_seconds=minutes * 60 + 1)
    seconds, running = time.monotonic() - begun, False
    await watching
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = child.ru_utime + child.ru_stime - made.ru_utime - made.ru_stime
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{minutes} minutes of Ogg Opus, {len(sound) / 1e6:.1f} MB, became {len(heard.parts)} parts")
    print(f"  {seconds:.1f} s of wall time, {used:.1f} s of CPU in the child")
    print(f"  {peak / 1024:.0f} MB at most in the child, {more / 1024:.0f} MB more in the parent")
    print(f"  {stalled * 1000:.0f} ms was the longest stall of the event loop")


async def main(minutes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.ogg"
        maker = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.recording", str(minutes), str(path))
        if await maker.wait() == 0:
            await measure(minutes, path)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        make(int(sys.argv[1]), Path(sys.argv[2]))
    else:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
