"""A skill in twenty lines, as its author would write and test it; and what happens to one that is written wrong."""

import random
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from bot import Attachment, Field, Pieces, Request, Settings, Skill, Turn
from bot.discovery import Found, find_skills
from bot.models import ToolCall
from bot.testing import ScriptedModel, rehearse
from skills.chat import Chat
from tests.test_presses import Count


class DiceSettings(Settings):
    sides: int = Field(6, ge=2, le=100, description="How many sides a die has")


class DiceRequest(Request):
    count: int = Field(1, ge=1, le=20, description="How many dice to roll")


class Dice(Skill[DiceSettings, DiceRequest]):
    """Roll dice."""

    name = "roll"

    async def reply(self, turn: Turn[DiceSettings, DiceRequest]) -> Pieces:
        rolls = [random.randint(1, turn.settings.sides) for _ in range(turn.request.count)]
        yield f"{rolls} = {sum(rolls)}"


class Poet(Skill):
    """Write a poem."""

    name = "poem"

    async def reply(self, turn: Turn) -> Pieces:
        async for text in turn.models.chat(turn.prompts("You are a poet.")):
            yield text
        yield Attachment("poem.txt", "text/plain", b"Roses are red")


class Nameless(Skill):
    """Has no name."""


class Undocumented(Skill):
    name = "mute"

    async def reply(self, turn: Turn) -> Pieces:
        yield "…"


class OddSettings(Settings):
    table: dict[str, int] = Field({}, description="No form can ask for this")


class Odd(Skill[OddSettings]):
    """Wants what nobody can give."""

    name = "odd"

    async def reply(self, turn: Turn[OddSettings]) -> Pieces:
        yield "…"


class OtherDice(Dice):
    """Roll other dice."""


class Exploding(Skill):
    """Cannot even be made."""

    name = "boom"

    def __init__(self) -> None:
        raise RuntimeError("no fuse")


def point(skill: str, name: str = "x") -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{skill}", "parley.skills")


def found(*skills: str) -> list[Found]:
    return find_skills([point(skill, f"{number}") for number, skill in enumerate(skills)])


async def test_a_skill_is_called_by_its_name_and_asked_in_words() -> None:
    rehearsal = await rehearse(Dice(), "roll 3", settings={"sides": 2})
    rolls, _, total = rehearsal.text.partition(" = ")
    assert len(rolls.strip("[]").split(",")) == 3
    assert 3 <= int(total) <= 6


async def test_what_a_person_gets_wrong_is_explained() -> None:
    assert (await rehearse(Dice(), "roll many")).text == "“count” has to be a whole number from 1 to 20."


async def test_a_skill_may_ask_a_model_and_attach_files() -> None:
    rehearsal = await rehearse(Poet(), "poem about roses", model=ScriptedModel("Violets are blue"))
    assert rehearsal.text == "Violets are blue"
    assert rehearsal.asked[0][0].text == "You are a poet."
    assert [each.data for each in rehearsal.attachments] == [b"Roses are red"]


async def test_a_request_may_come_from_a_form() -> None:
    assert "," in (await rehearse(Dice(), "", request={"count": 2})).text


async def test_replies_presses_and_other_skills_can_be_rehearsed() -> None:
    assert (await rehearse(Count(), "count 2", press="ten")).text == "12"
    assert (await rehearse(Count(), "count 2", "count 5", replies=True)).text == "7"
    rehearsal = await rehearse(
        Chat(), "How many?", others=[Count()], model=ScriptedModel(ToolCall("1", "count"), "One.")
    )
    assert rehearsal.text == "One."
    assert rehearsal.buttons[:1] == ("ten",)
    assert '"1"' in rehearsal.asked[-1][-1].text


def test_the_built_in_skills_are_found_through_the_same_entry_points() -> None:
    names = {each.name: each for each in find_skills()}
    assert {"catch-up", "chat", "describe", "draw", "help", "search", "transcribe", "translate"} <= set(names)
    assert all(each.package == "parleybot" and each.skill and not each.refused for each in names.values())


@pytest.mark.parametrize(
    ("skill", "reason"),
    [
        ("Nameless", "use lower-case letters"),
        ("Undocumented", "no docstring"),
        ("Odd", "OddSettings.table"),
        ("Exploding", "RuntimeError: no fuse"),
        ("NotThere", "could not be loaded"),
        ("DiceSettings", "not a bot.Skill"),
    ],
)
def test_a_skill_that_is_written_wrong_is_left_out_with_the_reason(skill: str, reason: str) -> None:
    good, bad = found("Dice", skill)
    assert good.skill is not None
    assert bad.skill is None
    assert reason in bad.refused


def test_two_skills_of_one_name_are_not_mixed_up() -> None:
    first, second = found("Dice", "OtherDice")
    assert isinstance(first.skill, Dice)
    assert "is taken by" in second.refused


def test_the_forms_of_a_skill_are_its_own() -> None:
    dice: Any = Dice()
    assert (dice.settings_type, dice.request_type) == (DiceSettings, DiceRequest)
    assert dice.help == "Roll dice."
