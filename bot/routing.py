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
    else the one that takes the attachment, else chat. Raises `UserError` when there is none.

    `follows` is the skill that kept something with the answer which the message replies to.
    """
    if message.skill:
        named = skills.get(message.skill)
        if named is None:
            raise UserError(f"There is no skill “{message.skill}” here. I know: {', '.join(sorted(skills))}.")
        return Choice(named, message.text, message.request)

    for skill in skills.values():
        for phrase in (each for each in skill.spoken or () if " " in each):
            if begun := re.match(rf"\s*{re.escape(phrase)}\b[:,.!]?\s*", message.text, re.IGNORECASE):
                return Choice(skill, message.text[begun.end() :], {})

    first = _FIRST_WORD.match(message.text)
    if first:
        word = first["word"].lower()
        for skill in skills.values():
            spoken = (skill.name,) if skill.spoken is None else skill.spoken
            if word in spoken and (not skill.takes or _matches(message, skill)):
                return Choice(skill, message.text[first.end() :], {})

    followed = skills.get(follows)
    if followed is not None and followed.follows and not message.attachments:
        return Choice(followed, message.text, {})

    for skill in skills.values():
        if skill.takes and _matches(message, skill):
            return Choice(skill, message.text, {})

    fallback = skills.get(FALLBACK)
    if fallback is None:
        raise UserError(f"I cannot chat here; begin with one of: {', '.join(sorted(skills))}.")
    return Choice(fallback, message.text, {})


def _matches(message: Message, skill: Skill[Any, Any]) -> bool:
    quoted = message.quote.attachments if message.quote else ()
    return any(each.kind in skill.takes for each in message.attachments or quoted)
