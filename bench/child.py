"""A bot in a process of its own, watched from outside: its CPU, its memory, its metrics, how it ends. Linux only."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from bench import watched

__all__ = ["Child", "parley"]

ROOT = Path(__file__).parent.parent
START_SECONDS = 60
STOP_SECONDS = 30
_NUMBER = re.compile(r"https?://\S+|[\d.]*\d")


class Child:
    """Use as `async with`. It is ready once it has printed a line that begins with `http://`.

    Its log goes to `log` in `folder`; `address` is what it printed, without the token of the page.
    """

    def __init__(self, module: str, arguments: list[str], environment: dict[str, str], folder: Path) -> None:
        self._lag = folder / "lag"
        watched.begin(self._lag, resting=True)
        self._command = [sys.executable, "-m", "bench.watched", str(self._lag), module, *arguments]
        self._environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
        self.folder = folder
        self.log = folder / "log"
        self.address = ""
        self.code: int | None = None

    async def __aenter__(self) -> Self:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, env=self._environment, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            async for line in self._process.stdout:
                if line.startswith(b"http://"):
                    self.address = line.decode().strip().partition("/?token=")[0]
                    return self
        raise RuntimeError(f"it did not start:\n{self.log.read_text()[-2000:]}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> int:
        """End it as an operator does, by force after a while; its exit code."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    self.code = await self._process.wait()
            except TimeoutError:
                self._process.kill()
                self.code = await self._process.wait()
        return self.code

    def cpu(self) -> float:
        """Seconds of CPU that all its threads have used, by the kernel's own clock of the process."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    async def watch(self) -> None:
        """From here on, notice how long its event loop stands still. That takes a little CPU."""
        watched.begin(self._lag)
        await asyncio.sleep(watched.REST_SECONDS)
        watched.begin(self._lag)

    def lag(self) -> float:
        """How long its event loop stood still at worst, in seconds; it is watched no longer."""
        found = watched.worst(self._lag)
        watched.begin(self._lag, resting=True)
        return found

    def memory(self) -> tuple[float, float]:
        """Its resident memory now and at its most, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        now, most = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmRSS", "VmHWM"))
        assert now is not None
        assert most is not None
        return int(now[1]) / 1024, int(most[1]) / 1024

    async def metrics(self, session: aiohttp.ClientSession) -> dict[str, float]:
        """What it counts, by name with labels."""
        async with session.get(f"{self.address}/metrics") as response:
            lines = (await response.text()).splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    async def quiet(self, session: aiohttp.ClientSession, within: float = 90) -> dict[str, float]:
        """Wait until no turn runs or waits; the metrics then."""
        async with asyncio.timeout(within):
            while True:
                found = await self.metrics(session)
                if not found["parley_turns_running"] and not found["parley_turns_waiting"]:
                    return found
                await asyncio.sleep(0.1)

    def inbox(self) -> Counter[str]:
        """The questions it stored, by state. To be read once it has ended."""
        with contextlib.closing(sqlite3.connect(self.folder / "parley.db")) as connection:
            return Counter(dict(connection.execute("SELECT state, count(*) FROM inbox GROUP BY state")))

    def complaints(self) -> Counter[str]:
        """Its warnings and errors, by what they say."""
        found: Counter[str] = Counter()
        for line in self.log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"level": "error", "event": line[:80]}
            if entry.get("level") in ("warning", "error", "critical"):
                found[_NUMBER.sub("…", f"{entry['level']}: {entry.get('event')}")[:60]] += 1
        return found


# What is measured is what Parley bears, not what it allows.
_PLENTY = {
    "PARLEY_TURNS_PER_MINUTE": "100000",
    "PARLEY_TURNS_PER_DAY": "1000000",
    "PARLEY_COMMUNITY_TURNS_PER_HOUR": "1000000",
    "PARLEY_COMMUNITY_TURNS_AT_ONCE": "100",
    "PARLEY_COMMUNITY_DOLLARS_PER_DAY": "1000000",
    "PARLEY_DOLLARS_PER_DAY": "1000000",
}


def parley(folder: Path, **environment: str) -> Child:
    """Parley with everything at its defaults but the quotas, and what `environment` says."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**_PLENTY, **environment}
    return Child("bot", ["run"], {"PARLEY_DATA": str(folder), "PARLEY_PROBE": "0", "PORT": "0", **environment}, folder)
