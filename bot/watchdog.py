"""Watches the event loop from a thread of its own: who blocks it is named, cut off, and switched off."""

import asyncio
import ctypes
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType

import structlog

from bot.skill import Skill

__all__ = ["SkillBlocked", "Watchdog"]

log = structlog.get_logger(__name__)

BEAT_SECONDS = 0.1
NAME_AFTER = 2.0  # seconds of standstill after which the log says where it is
CUT_AFTER = 5.0  # seconds after which the skill that causes it is cut off


class SkillBlocked(Exception):
    """Raised inside a skill that kept everything else waiting."""


class Watchdog:
    """Use as a context manager inside the running loop. `blame` is called, in the loop, with the name of a skill that
    was cut off. `lag` is the longest standstill of the last minute or so, in seconds.
    """

    def __init__(
        self, blame: Callable[[str], None], *, name_after: float = NAME_AFTER, cut_after: float = CUT_AFTER
    ) -> None:
        self._blame = blame
        self._name_after = name_after
        self._cut_after = cut_after
        self._beat = time.monotonic()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._handle: asyncio.TimerHandle | None = None
        self.lag = 0.0

    def __enter__(self) -> "Watchdog":
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._tick()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._ending.set()
        self._thread.join()

    def _tick(self) -> None:
        now = time.monotonic()
        late = max(0.0, now - self._beat - BEAT_SECONDS)
        self.lag = max(late, self.lag * 0.999)
        self._beat = now
        self._handle = self._loop.call_later(BEAT_SECONDS, self._tick)

    def _watch(self) -> None:
        named = cut = 0.0
        while not self._ending.wait(BEAT_SECONDS * 2):
            beat = self._beat
            standstill = time.monotonic() - beat
            if standstill < self._name_after:
                continue
            frame = sys._current_frames().get(self._watched)  # noqa: SLF001 - the one way to see another thread
            skill = _skill_in(frame)
            if named != beat:
                named = beat
                stack = "".join(traceback.format_stack(frame)[-6:]) if frame else ""
                log.error("the event loop stands still", seconds=round(standstill, 1), skill=skill, stack=stack)
            if skill and standstill >= self._cut_after and cut != beat:
                cut = beat
                self._cut(skill)

    def _cut(self, skill: str) -> None:
        """Raise an exception where the skill is; Python code feels it at once, a blocking call when it returns."""
        log.error("a skill blocks everything and is cut off", skill=skill)
        self._loop.call_soon_threadsafe(self._blame, skill)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._watched), ctypes.py_object(SkillBlocked))


def _skill_in(frame: FrameType | None) -> str:
    """The name of the skill whose method is being run, if it is one."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, Skill):
            return owner.name
        frame = frame.f_back
    return ""
