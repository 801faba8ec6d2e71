"""How the bot is: what a load balancer, a supervisor and an operator may ask, in numbers."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import structlog

from bot.adapter import Adapter
from bot.models import Models
from bot.version import __version__
from storage import Store

__all__ = ["Health", "Resources", "raise_file_limit"]

log = structlog.get_logger(__name__)

MOST_LAG_SECONDS = 2.0  # a longer standstill of late is trouble
LOOK_SECONDS = 30.0  # between two looks at the model servers
LOOK_MOST = 3.0  # for one look
WATCH_SECONDS = 5.0
MEMORY_ALARM, MEMORY_FULL = 0.8, 0.95  # of what the process may have
FILES_FULL = 0.9
_MIB = 1024 * 1024


class _Turns(Protocol):
    """What is to be known of the turns."""

    strained: bool

    @property
    def running(self) -> int: ...

    @property
    def waiting(self) -> int: ...

    def heard_ago(self, platform: str) -> float | None: ...


class Resources:
    """Memory and open files of this process, and how much of both it may have; 0 where that is not known."""

    def __init__(self, proc: Path = Path("/proc/self"), groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc = proc
        self.most_memory = _memory_limit(groups)

    def memory(self) -> int:
        """Resident bytes."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int((self._proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0

    def files(self) -> tuple[int, int]:
        """Files and connections that are open, and that may be."""
        try:
            import resource

            return len(os.listdir(self._proc / "fd")), resource.getrlimit(resource.RLIMIT_NOFILE)[0]  # noqa: PTH208
        except (ImportError, OSError):
            return 0, 0


class Health:
    """Looks at every part. `lag` tells the longest standstill of the event loop of late, in seconds."""

    def __init__(
        self,
        adapters: Iterable[Adapter],
        store: Store,
        models: Models,
        turns: _Turns,
        lag: Callable[[], float],
        resources: Resources | None = None,
    ) -> None:
        self._adapters = tuple(adapters)
        self._store = store
        self._models = models
        self._turns = turns
        self._lag = lag
        self._resources = resources or Resources()
        self._began = time.monotonic()
        self._looking: asyncio.Task[dict[str, str]] | None = None
        self._looked = -LOOK_SECONDS
        self._alarmed = False

    def alive(self) -> dict[str, Any]:
        """That the process is alive, and how it feels."""
        opened, most_files = self._resources.files()
        return {
            "alive": True,
            "version": __version__,
            "uptime_seconds": round(time.monotonic() - self._began, 1),
            "loop_lag_seconds": round(self._lag(), 3),
            "memory_mib": round(self._resources.memory() / _MIB, 1),
            "most_memory_mib": round(self._resources.most_memory / _MIB, 1),
            "open_files": opened,
            "most_open_files": most_files,
        }

    async def ready(self) -> dict[str, Any]:
        """Whether questions can be taken and answered, what is in the way, and each part in numbers."""
        storage, models = await asyncio.gather(self._storage(), self._model_servers())
        platforms = {each.name: self._platform(each) for each in self._adapters}
        troubles = {name: facts["trouble"] for name, facts in platforms.items() if facts["trouble"]}
        troubles |= {"storage": storage["trouble"]} if storage["trouble"] else {}
        troubles |= {name: why for name, why in models["troubles"].items() if why}
        lag = self._lag()
        if lag > MOST_LAG_SECONDS:
            troubles["event loop"] = f"stood still for {lag:.1f} s"
        troubles |= self._strains()
        return {
            "ready": not troubles,
            "troubles": troubles,
            "platforms": platforms,
            "storage": storage,
            "models": models,
            "turns": {"running": self._turns.running, "waiting": self._turns.waiting},
            "process": self.alive(),
        }

    async def watch(self) -> None:
        """Look after memory and open files: sound the alarm, and let nothing new in while there is no room for it."""
        while True:
            strains = self._strains(full=True)
            if bool(strains) != self._turns.strained:
                self._turns.strained = bool(strains)
                log.error("nothing new is taken on", **strains) if strains else log.info("there is room again")
            alarm = self._strains()
            if bool(alarm) != self._alarmed:
                self._alarmed = bool(alarm)
                log.error("alarm", **alarm) if alarm else log.info("the alarm is over")
            await asyncio.sleep(WATCH_SECONDS)

    def _strains(self, *, full: bool = False) -> dict[str, str]:
        """What there is too little of: enough to worry, or so little that nothing new can be taken on."""
        found: dict[str, str] = {}
        memory, most = self._resources.memory(), self._resources.most_memory
        if most and memory > most * (MEMORY_FULL if full else MEMORY_ALARM):
            found["memory"] = f"{memory // _MIB} of {most // _MIB} MiB are used"
        opened, files = self._resources.files()
        if files and opened > files * FILES_FULL:
            found["open files"] = f"{opened} of {files} are open"
        return found

    def _platform(self, adapter: Adapter) -> dict[str, Any]:
        ago = self._turns.heard_ago(adapter.name)
        heard = {} if ago is None else {"question_seconds_ago": round(ago, 1)}
        facts = {name: round(value, 2) for name, value in adapter.facts().items()}
        return {"trouble": adapter.trouble, **heard, **facts}

    async def _storage(self) -> dict[str, Any]:
        began, trouble = time.monotonic(), ""
        try:
            async with asyncio.timeout(2):
                await self._store.ping()
        except Exception as error:  # noqa: BLE001 - whatever it is, storage is not ready
            trouble = self._store.trouble or type(error).__name__
        return {"trouble": trouble, "write_seconds": round(time.monotonic() - began, 4)}

    async def _model_servers(self) -> dict[str, Any]:
        """What is in the way of the model servers, as of half a minute ago at most; nothing is paid for asking."""
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now - self._looked > LOOK_SECONDS):
            self._looked = now
            self._looking = asyncio.create_task(self._look(), name="looking at the models")
        troubles = await asyncio.shield(self._looking)
        return {"troubles": troubles, "looked_seconds_ago": round(time.monotonic() - self._looked, 1)}

    async def _look(self) -> dict[str, str]:
        async def look(label: str, looking: Any) -> tuple[str, str]:
            try:
                async with asyncio.timeout(LOOK_MOST):
                    return label, await looking
            except Exception as error:  # noqa: BLE001 - whatever it is, the server does not answer
                return label, f"it does not answer ({type(error).__name__})"

        serving = {choice.provider for choice in self._models.choices("chat")}
        return dict(await asyncio.gather(*(look(each.label, each.look()) for each in serving)))


def raise_file_limit() -> None:
    """Let this process open as many files and connections as the system allows it, if it asks."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _memory_limit(groups: Path) -> int:
    """What the container, or else the machine, has."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            limit = int((groups / name).read_text())
            if 0 < limit < 1 << 50:
                return limit
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 0
