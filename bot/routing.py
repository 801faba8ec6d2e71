"""Which skill answers a message. Pure: no settings, no storage, no platform."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.errors import UserError
from bot.messages import Message
from bot.skill import Skill

__all__ = ["FALLBACK", "Choice", "choose"]

_FIRST_WORD = re.compile(r"\s*[/!]?(?P<word>[\w-]+)[:,]?(?:\s+|$)", re.UNICODE)
FALLBACK = "chat"


@dataclass(frozen=True, slots=True)
class Choice:
    """The skill that answers, the words that are left for it, and the options that were given."""

    skill: Skill[Any, Any]
    words: str
    given: Mapping[str, Any]


def choose(message: Message, skills: Mapping[str, Skill[Any, Any]], *, follows: str = "") -> Choice:
    """Exactly one skill: the one named by a command, else by the first word, else the one whose answer this follows,
    else the one that takes the attachments, else chat, which reads documents. Raises `UserError` when there is none.

    `follows` is the skill that kept something with the answer which the message replies to.
    """
    if message.skill:
        named = skills.get(message.skill)
        if named is None:
            raise UserError(f"There is no skill “{message.skill}” here. I know: {', '.join(sorted(skills))}.")
        return Choice(named, message.text, message.request)

    for words, end in reversed(_beginnings(message.text)):
        for skill in skills.values():
            spoken = (skill.name,) if skill.spoken is None else skill.spoken
            if words in spoken and (not skill.takes or _matches(message, skill)):
                return Choice(skill, message.text[end:], {})

    followed = skills.get(follows)
    if followed is not None and followed.follows and not message.attachments:
        return Choice(followed, message.text, {})

    for skill in skills.values():
        if skill.takes and _matches(message, skill) and not _to_read(message):
            return Choice(skill, message.text, {})

    fallback = skills.get(FALLBACK)
    if fallback is None:
        raise UserError(f"I cannot chat here; begin with one of: {', '.join(sorted(skills))}.")
    return Choice(fallback, message.text, {})


def _beginnings(text: str) -> list[tuple[str, int]]:
    """The first word, the first two and the first three, in lower case, each with where it ends."""
    found: list[tuple[str, int]] = []
    end = 0
    while len(found) < 3 and (word := _FIRST_WORD.match(text, end)):
        end = word.end()
        found.append((f"{found[-1][0]} {word['word'].lower()}" if found else word["word"].lower(), end))
    return found


def _matches(message: Message, skill: Skill[Any, Any]) -> bool:
    there = message.attachments or (message.quote.attachments if message.quote else ())
    return any(each.kind in skill.takes for each in there)


def _to_read(message: Message) -> bool:
    """Whether there is something among the attachments that is for reading, not for looking or listening."""
    return any(each.kind not in ("image", "audio", "video") for each in message.attachments)
