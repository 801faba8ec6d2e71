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


class Accidents:
    """The part of the loopback Teams that goes wrong on order. `path` is a regular expression."""

    faults: Faults

    def fail(
        self,
        status: int,
        *,
        method: str = "*",
        path: str = "/conversations/",
        times: int = 1,
        after: bool = False,
        code: str = "ServiceError",
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> Fault:
        """The next `times` matching calls are answered like this; with `after`, once they have taken effect."""
        body = {"error": {"code": code, "message": "on order"}} if body is None else body
        return self.faults.add(Fault(method, re.compile(path), times, after, status, headers or {}, body))

    def throttle(
        self, *, retry_after: float = 1, method: str = "*", path: str = "/conversations/", times: int = 1
    ) -> Fault:
        """The next matching calls are told to wait."""
        headers = {"Retry-After": f"{retry_after:g}"}
        return self.fail(429, method=method, path=path, times=times, code="RateLimit", headers=headers)

    def drop(self, *, method: str = "*", path: str = "/conversations/", times: int = 1, after: bool = True) -> Fault:
        """The connection of the next matching calls is reset instead of answered, by default once they took effect."""
        return self.faults.add(Fault(method, re.compile(path), times, after, drop=True))

    def hold(self, *, method: str = "*", path: str = "/conversations/", after: bool = False) -> Fault:
        """The next matching call waits until `release()`."""
        return self.faults.add(Fault(method, re.compile(path), 1, after, held=asyncio.Event()))
