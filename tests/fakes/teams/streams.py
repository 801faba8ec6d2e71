"""Streamed answers: a sign of what is done, texts that grow, and the whole at the end, as Teams documents it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.teams.checks import Refusal
from tests.fakes.teams.world import Conversation, Json, Shown, new_id

LONGEST_SIGN = 1000


@dataclass
class Stream:
    shown: Shown
    sequence: int = 1
    text: str = ""
    began: float = field(default_factory=time.monotonic)
    ended: str = ""  # why it takes nothing more


def info_of(activity: Json) -> Json | None:
    """What makes an activity a part of a stream, or None."""
    return next((each for each in activity.get("entities") or () if each.get("type") == "streaminfo"), None)


def stream(
    conversation: Conversation, activity: Json, info: Json, name: str, seconds: float, answers: str
) -> web.Response:
    """Take one part; raises `Refusal` as Teams does."""
    kind, stream_id, sequence = info.get("streamType"), info.get("streamId"), info.get("streamSequence")
    if conversation.kind != "personal":
        raise _not_allowed("Content stream is not allowed")
    if kind not in ("informative", "streaming", "final"):
        raise Refusal(400, "BadArgument", f"streamType {kind!r}")
    if (kind == "final") != (activity["type"] == "message"):
        raise Refusal(400, "BadArgument", "the end of a stream is a message, everything before it a typing activity")
    text = activity.get("text") or ""
    if kind != "final":
        _check_part(activity, kind, text, sequence)
    if not stream_id:
        if kind == "final" or sequence != 1:
            raise Refusal(400, "BadArgument", "a stream begins with its first part")
        if any(not each.ended for each in conversation.streams.values()):
            raise _not_allowed("Content stream is not allowed: another one is running")
        shown = Shown(new_id(), name, True, activity, [text], answers)
        conversation.add(shown)
        conversation.streams[shown.id] = Stream(shown, text=text if kind == "streaming" else "")
        return web.json_response({"id": shown.id}, status=201)
    found = conversation.streams.get(stream_id)
    if found is None:
        raise _not_allowed("Content stream is not allowed: it is not known")
    if not found.ended and time.monotonic() - found.began > seconds:
        found.ended = "Content stream is not allowed: exceeded streaming time"
    if found.ended:
        raise _not_allowed(found.ended)
    if kind == "final":
        found.ended = "Content stream is not allowed on an already completed streamed message"
        if not text.startswith(found.text.rstrip()):
            found.shown.odd.append(f"the end {text[:40]!r} does not contain {found.text[:40]!r}")
    else:
        if sequence <= found.sequence:
            code = "ContentStreamSequenceOrderPreConditionFailed"
            return web.json_response({"error": {"code": code, "message": "sequence order"}}, status=202)
        found.sequence = sequence
        if kind == "streaming":
            if not text.startswith(found.text):
                raise _not_allowed("Content stream should contain the previously streamed content")
            found.text = text
    found.shown.activity = activity
    found.shown.states.append(text)
    return web.json_response({"id": stream_id} if kind == "final" else {}, status=202)


def _check_part(activity: Json, kind: str, text: str, sequence: object) -> None:
    if not isinstance(sequence, int) or sequence < 1:
        raise Refusal(400, "BadArgument", "streamSequence must be a number from 1")
    if not text:
        raise Refusal(400, "BadArgument", "a part of a stream needs text")
    if kind == "informative" and len(text) > LONGEST_SIGN:
        raise Refusal(400, "BadArgument", "an informative message has at most 1000 characters")
    if activity.get("attachments") or len(activity.get("entities") or ()) != 1:
        raise Refusal(400, "BadArgument", "only the end of a stream has attachments and a label")


def _not_allowed(message: str) -> Refusal:
    return Refusal(403, "ContentStreamNotAllowed", message)
