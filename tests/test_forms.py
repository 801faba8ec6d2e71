"""What a skill's author writes as a class, a person fills in as a form, or says in words."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel

from bot import Field, Request, Settings, UserError
from bot.forms import FormRefused, fill, form_of


class Dice(Request):
    count: int = Field(1, ge=1, le=20, description="How many dice to roll")
    sides: int = Field(6, ge=2, le=100, description="How many sides a die has")


class Picture(Request):
    prompt: str = Field(description="What to draw")
    size: Literal["square", "wide"] = Field("square", description="The shape")
    count: int = Field(1, ge=1, le=4, description="How many")


class Reminder(Settings):
    loud: bool = Field(False, description="Whether to mention everybody")


@pytest.mark.parametrize(
    ("form", "words", "filled"),
    [
        (Dice, "", {"count": 1, "sides": 6}),
        (Dice, "3", {"count": 3, "sides": 6}),
        (Dice, "3 20", {"count": 3, "sides": 20}),
        (Dice, "sides=20", {"count": 1, "sides": 20}),
        (Dice, "sides=20 4", {"count": 4, "sides": 20}),
        (Picture, "a fox in the snow", {"prompt": "a fox in the snow", "size": "square", "count": 1}),
        (Picture, "a fox size=wide count=2", {"prompt": "a fox", "size": "wide", "count": 2}),
        (Picture, "a sum where x=5", {"prompt": "a sum where x=5", "size": "square", "count": 1}),
        (Picture, "a sign that says prompt=x", {"prompt": "a sign that says prompt=x", "size": "square", "count": 1}),
        (Reminder, "yes", {"loud": True}),
    ],
)
def test_words_fill_a_form(form: type[BaseModel], words: str, filled: dict[str, Any]) -> None:
    assert fill(form, words).model_dump() == filled


def test_what_a_command_gives_wins_over_words() -> None:
    assert fill(Picture, "a fox", {"prompt": "a cat"}).prompt == "a cat"


@pytest.mark.parametrize(
    ("form", "words", "sentence"),
    [
        (Dice, "many", "“count” has to be a whole number from 1 to 20."),
        (Dice, "21", "“count” has to be a whole number from 1 to 20."),
        (Picture, "", "Please say what “prompt” should be: What to draw."),
        (Picture, "a fox size=round", "“size” can be square, wide."),
        (Reminder, "perhaps", "“loud” can be yes or no."),
    ],
)
def test_a_mistake_is_answered_with_what_would_be_right(form: type[BaseModel], words: str, sentence: str) -> None:
    with pytest.raises(UserError) as error:
        fill(form, words)
    assert str(error.value) == sentence


def test_a_form_knows_its_fields_and_their_bounds() -> None:
    prompt, size, count = form_of(Picture).fields
    assert (prompt.kind, prompt.required) == ("str", True)
    assert (size.kind, size.choices, size.default) == ("choice", ("square", "wide"), "square")
    assert (count.kind, count.least, count.most) == ("int", 1, 4)


def test_what_is_wrong_is_said_in_the_language_of_who_asks() -> None:
    with pytest.raises(UserError, match=r"^„count“ muss eine ganze Zahl von 1 bis 20 sein.$"):
        fill(Dice, "21", locale="de-DE")
    with pytest.raises(UserError, match=r"^「size」に使えるのは square, wide です。$"):
        fill(Picture, "size=huge a fox", locale="ja")
    with pytest.raises(UserError, match=r"^“count” has to be a whole number from 1 to 20.$"):
        fill(Dice, "21", locale="pl")


def test_a_field_that_no_person_could_fill_in_is_refused_with_the_reason() -> None:
    class Odd(Request):
        when: dict[str, int] = Field({}, description="A mapping")

    with pytest.raises(FormRefused, match=r"Odd\.when .* use bool, int, float, str or Literal"):
        form_of(Odd)


def test_a_field_without_a_description_is_refused() -> None:
    class Mute(Request):
        volume: int = 3

    with pytest.raises(FormRefused, match=r"Mute\.volume has no description"):
        form_of(Mute)
