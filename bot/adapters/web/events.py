"""What open pages are told, and how a page that was away learns what it missed."""

import asyncio
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import orjson

__all__ = ["Events", "Listener"]

_KEPT = 4 * 1024 * 1024  # characters of events kept for pages that come back
_WAITING = 2000  # events a page may lag behind before it is sent away, to come back and load afresh
_PAGES = 64  # open at once


@dataclass(slots=True, eq=False)
class Listener:
    """One open page. `None` in its queue says that there will be no more."""

    queue: "asyncio.Queue[str | None]" = field(default_factory=lambda: asyncio.Queue(_WAITING))


class Events:
    """A numbered stream. Numbers are only good within one life of the process, which `life` names."""

    def __init__(self) -> None:
        self.life = secrets.token_hex(4)
        self.number = 0
        self._kept: deque[tuple[int, str]] = deque()
        self._size = 0
        self._listeners: set[Listener] = set()

    @property
    def place(self) -> str:
        """Where the stream is now."""
        return f"{self.life}.{self.number}"

    @property
    def watched(self) -> bool:
        """Whether any page is open: what nobody sees need not be drawn."""
        return bool(self._listeners)

    @property
    def full(self) -> bool:
        return len(self._listeners) >= _PAGES

    def tell(self, kind: str, **event: Any) -> None:
        """Tell every page, now or when it is back."""
        if not self.watched:
            self.skip()
            return
        self.number += 1
        written = orjson.dumps({"kind": kind, "number": self.number, **event}).decode()
        self._kept.append((self.number, written))
        self._size += len(written)
        while self._size > _KEPT:
            self._size -= len(self._kept.popleft()[1])
        self._send(written)

    def skip(self) -> None:
        """Something has changed that was drawn for nobody: a page that comes back has to load afresh."""
        self.number += 1
        self._kept.clear()
        self._size = 0

    def mention(self, kind: str, **event: Any) -> None:
        """Tell the pages that are open now something that is of no use later."""
        if self.watched:
            self._send(orjson.dumps({"kind": kind, **event}).decode())

    def _send(self, written: str) -> None:
        for listener in list(self._listeners):
            try:
                listener.queue.put_nowait(written)
            except asyncio.QueueFull:
                self._end(listener)

    def listen(self, after: str) -> Listener:
        """Begin to tell a page everything that comes after the place it had reached; it is told first whether it has
        to load afresh, because what it missed is not known any more.
        """
        listener = Listener()
        missed = self._missed(after)
        hello = {"kind": "hello", "life": self.life, "number": self.number, "afresh": missed is None}
        listener.queue.put_nowait(orjson.dumps(hello).decode())
        for written in missed or ():
            listener.queue.put_nowait(written)
        self._listeners.add(listener)
        return listener

    def _missed(self, after: str) -> list[str] | None:
        life, _, number = after.partition(".")
        if life != self.life or not number.isdecimal():
            return None
        reached = int(number)
        if reached == self.number:
            return []
        if not self._kept or reached < self._kept[0][0] - 1 or reached > self.number:
            return None
        missed = [written for each, written in self._kept if each > reached]
        return missed if len(missed) < _WAITING else None

    def leave(self, listener: Listener) -> None:
        """A page has gone."""
        self._listeners.discard(listener)

    def _end(self, listener: Listener) -> None:
        self._listeners.discard(listener)
        while listener.queue.full():
            listener.queue.get_nowait()
        listener.queue.put_nowait(None)

    def close(self) -> None:
        """Send every page away."""
        for listener in list(self._listeners):
            self._end(listener)
