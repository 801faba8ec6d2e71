"""Accidents on order: the next calls that match get another answer, none at all, or have to wait."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Fault:
    """What happens to the next `times` calls whose method and path match.

    `after` lets the call take its full effect first. `drop` resets the connection instead of answering. With `held`,
    the call waits for `release()`. Otherwise `status`, `headers` and `body` are the answer; a fault that only waits
    then goes on as if nothing had happened.
    """

    method: str
    path: re.Pattern[str]
    times: int = 1
    after: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    drop: bool = False
    held: asyncio.Event | None = None
    hits: int = 0

    def release(self) -> None:
        assert self.held is not None, "this fault holds nothing"
        self.held.set()


class Faults:
    """The accidents that are still to happen, in the order in which they were ordered."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._held: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        if fault.held is not None:
            self._held.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        for fault in self._waiting:
            if fault.method in ("*", method) and fault.path.search(path):
                fault.hits += 1
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Call off what has not happened yet, and let go of what is held."""
        for fault in self._held:
            fault.release()
        self._waiting.clear()
        self._held.clear()
