"""What exists on the loopback Teams: people, conversations, and what they show. Plain state, without HTTP."""

from __future__ import annotations

import base64
import itertools
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_serial = itertools.count()


def new_id() -> str:
    """A new message id: milliseconds as Teams writes them, larger than every earlier one."""
    return str(int(time.time() * 1000) * 1000 + next(_serial) % 1000)


@dataclass(frozen=True)
class Person:
    name: str
    id: str = field(default_factory=lambda: f"29:{uuid.uuid4().hex}")
    aad: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def account(self) -> Json:
        return {"id": self.id, "name": self.name, "aadObjectId": self.aad}


@dataclass(frozen=True)
class File:
    """A file that is seen in a message."""

    media_type: str
    name: str
    data: bytes


@dataclass
class Shown:
    """One message as people see it. `states` are all the texts it has had, the last one is seen now."""

    id: str
    author: str
    by_bot: bool
    activity: Json
    states: list[str] = field(default_factory=list)
    answers: str = ""
    odd: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.states[-1] if self.states else ""

    @property
    def files(self) -> list[File]:
        return [
            _file(attached)
            for attached in self.activity.get("attachments") or ()
            if attached.get("contentType") != "text/html"
        ]

    @property
    def card(self) -> Json:
        """The Adaptive Card that is seen in it, or an empty object."""
        attached = self.activity.get("attachments") or ()
        return next((each["content"] for each in attached if str(each.get("contentType")).endswith(".adaptive")), {})

    @property
    def buttons(self) -> list[str]:
        """What is written on the buttons of its card."""
        return [str(each.get("title")) for each in self.card.get("actions") or ()]

    @property
    def by_ai(self) -> bool:
        """Whether Teams shows its label for generated content."""
        return any(
            "AIGeneratedContent" in (entity.get("additionalType") or ())
            for entity in self.activity.get("entities") or ()
        )


def _file(attached: Json) -> File:
    address = str(attached.get("contentUrl") or "")
    content = base64.b64decode(address.partition(";base64,")[2]) if address.startswith("data:") else b""
    return File(str(attached.get("contentType")), str(attached.get("name") or ""), content)


@dataclass
class Conversation:
    """A personal chat, a group chat, or a thread in a channel. `has_bot` is false once the bot was removed."""

    id: str
    kind: str
    tenant: str
    name: str = ""
    members: list[Person] = field(default_factory=list)
    has_bot: bool = True
    shown: list[Shown] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    typings: int = 0
    team: str = ""
    streams: dict[str, Any] = field(default_factory=dict)

    @property
    def account(self) -> Json:
        account: Json = {"id": self.id, "conversationType": self.kind, "tenantId": self.tenant}
        if self.kind != "personal":
            account["isGroup"] = True
        if self.name and self.kind == "groupChat":
            account["name"] = self.name
        return account

    @property
    def channel(self) -> str:
        """The channel's own id, without the thread."""
        return self.id.partition(";messageid=")[0]

    def find(self, message_id: str) -> Shown | None:
        return next((shown for shown in self.shown if shown.id == message_id), None)

    def add(self, shown: Shown) -> None:
        self.shown.append(shown)
        self.known.add(shown.id)
