"""The small records that storage takes and gives."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["Bill", "File", "Given", "Heard", "Line", "Offer", "Post", "Room", "RoomMessage", "State", "Upload", "Used"]

State = Literal["received", "running", "answered", "done", "joined", "failed", "expired"]


@dataclass(frozen=True, slots=True)
class Heard:
    """A question in the inbox. `body` is the message as JSON, and once it is answered, `answer` its answer.

    `reserved` are the micro-dollars that its answer may cost, or may have cost.
    """

    id: int
    platform: str
    tenant: str
    channel: str
    event: str
    state: State
    attempts: int
    received_at: datetime
    body: str
    answer: str | None = None
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Post:
    """One visible message of an answer: its place in the answer, and the platform's id for it."""

    part: int
    message_id: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a channel's context."""

    role: Literal["user", "assistant"]
    text: str
    message_id: str = ""
    author_id: str = ""
    author: str = ""
    at: datetime | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Bill:
    """What one model call used; `cost` in micro-dollars, None where the price is not known."""

    provider: str
    model: str
    role: str
    input_tokens: int = 0
    output_tokens: int = 0
    pictures: int = 0
    seconds: float = 0.0
    estimated: bool = False
    cached_tokens: int = 0
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What was used up to some moment; `cost` in micro-dollars."""

    at: datetime
    pictures: int
    seconds: float
    cost: int


@dataclass(frozen=True, slots=True)
class File:
    """A stored file."""

    id: str
    name: str
    media_type: str
    data: bytes
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What an answer goes on offering: its question as JSON, its buttons, and what a skill kept, with files.

    `skill` is the one that kept it, where that is not the one that answered.
    """

    question: str
    buttons: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] | None = None
    files: tuple[File, ...] = ()
    skill: str = ""


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given: to which question in the inbox, to whom, by which skill, and what it offers."""

    heard: int
    event: str
    person: str
    skill: str
    question: str
    buttons: list[dict[str, Any]]
    about: dict[str, Any] | None
    state: State


@dataclass(frozen=True, slots=True)
class Room:
    """A conversation on the web page."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RoomMessage:
    """One message in a room. `files` are the ids of its attachments, `answers` the id of the message it answers.

    `buttons` stand below an answer: `action`, `label`, and `pressed` for one that stays pressed. `replies` is the id of
    the message that a person replied to.
    """

    id: str
    room: str
    role: Literal["user", "assistant"]
    text: str
    at: datetime
    author: str = ""
    footer: str = ""
    files: tuple[str, ...] = ()
    answers: str = ""
    running: bool = False
    buttons: tuple[dict[str, Any], ...] = ()
    replies: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that waits for a person's word, or is on its way to where that person keeps theirs.

    It is `offered`, then `accepted`, then `closing` from just before its last piece is sent, then `done`, when nothing
    is left of it. `message` is where it is offered, `target` where it goes, as the platform said.
    """

    id: str
    key: tuple[str, str, str]
    name: str
    media_type: str
    data: bytes
    locale: str = ""
    message: str = ""
    state: Literal["offered", "accepted", "closing", "done"] = "offered"
    target: dict[str, Any] = field(default_factory=dict)
