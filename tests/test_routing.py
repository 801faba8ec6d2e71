"""Exactly one skill answers, and it is the one a person would expect."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.discovery import find_skills
from bot.errors import UserError
from bot.messages import Attachment, Channel, Message, Person, Quote
from bot.routing import choose

SKILLS = {found.name: found.skill for found in find_skills() if found.skill}
PICTURE = Attachment("cat.png", "image/png", source="1")
VOICE = Attachment("note.ogg", "audio/ogg", source="2")
REPORT = Attachment("report.pdf", "application/pdf", source="3")


def said(text: str, *attachments: Attachment, **given: Any) -> Message:
    return Message("1", Channel("fake", "1"), Person("ada", "Ada"), text, datetime.now(UTC), attachments, **given)


@pytest.mark.parametrize(
    ("message", "skill", "words"),
    [
        (said("Hello"), "chat", "Hello"),
        (said("draw a fox"), "draw", "a fox"),
        (said("Draw: a fox"), "draw", "a fox"),
        (said("/draw a fox"), "draw", "a fox"),
        (said("DRAW"), "draw", ""),
        (said("drawing is fun"), "chat", "drawing is fun"),
        (said("help"), "help", ""),
        (said("chat with me"), "chat", "chat with me"),
        (said("What is this?", PICTURE), "describe", "What is this?"),
        (said("", PICTURE), "describe", ""),
        (said("", VOICE), "transcribe", ""),
        (said("transcribe this", VOICE), "transcribe", "this"),
        (said("describe the French Revolution"), "chat", "describe the French Revolution"),
        (said("And this?", quote=Quote("0", attachments=(PICTURE,))), "describe", "And this?"),
        (said("transcribe", quote=Quote("0", attachments=(VOICE,))), "transcribe", ""),
        (
            said("What does she say?", VOICE, quote=Quote("0", attachments=(PICTURE,))),
            "transcribe",
            "What does she say?",
        ),
        (said("Read this", REPORT), "chat", "Read this"),
        (said("a fox", skill="draw"), "draw", "a fox"),
    ],
)
def test_the_expected_skill_gets_the_words_that_are_meant_for_it(message: Message, skill: str, words: str) -> None:
    choice = choose(message, SKILLS)
    assert (choice.skill.name, choice.words) == (skill, words)


def test_a_name_that_nobody_has_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UserError, match="catch-up, chat, describe, draw, help"):
        choose(said("hi", skill="dance"), SKILLS)


def test_without_chat_the_skills_that_exist_are_named() -> None:
    with pytest.raises(UserError, match="draw"):
        choose(said("hi"), {"draw": SKILLS["draw"]})
