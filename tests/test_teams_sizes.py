"""What is too large for Teams: long texts, tables, cards, lists of sources. Nothing of an answer is lost."""

import pytest

from bot.markup import split
from bot.messages import Attachment, Button, Message, Reply
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.teams_bot import TeamsBot, at_full_speed

AGAIN = (Button("regenerate", "Regenerate"),)
TEXT = "\n\n".join(f"{number}. {'A fox is red. ' * 8}".strip() for number in range(1, 13))


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    at_full_speed(monkeypatch)


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def group(teams: FakeTeams, ada: Person) -> Conversation:
    return teams.group("A group", ada)


async def begin(teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person) -> tuple[Message, str]:
    assert (await teams.say(group, ada, "tell me of foxes")).status == 202
    heard = bot.notes.last
    return heard, await bot.adapter.post(heard.channel, Reply("…", running=True), answers=heard.id, nonce="1")


def texts(teams: FakeTeams, group: Conversation) -> list[str]:
    return [each.text for each in teams.answers(group) if each.text]


@pytest.mark.parametrize("times", [1, 2], ids=["a little", "far"])
async def test_what_teams_finds_too_long_goes_on_below(
    times: int, teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    teams.fail(413, method="PUT", code="MessageSizeTooBig", times=times)

    await bot.adapter.edit(heard.channel, message_id, Reply(TEXT, footer="from a model", buttons=AGAIN))

    first, *rest = texts(teams, group)
    assert "\n\n".join([first.removesuffix("\n\n_from a model_"), *rest]) == TEXT
    assert len(rest) >= 2**times - 1
    assert teams.answers(group)[-1].buttons == ["Regenerate"], "the buttons stand below all of it"
    assert all(each.by_ai for each in teams.answers(group) if each.text)


async def test_it_is_not_said_twice_and_goes_when_the_answer_gets_shorter(
    teams: FakeTeams, store: Store, group: Conversation, ada: Person
) -> None:
    async with TeamsBot(teams, store) as bot:
        heard, message_id = await begin(teams, bot, group, ada)
        teams.fail(413, method="PUT", code="MessageSizeTooBig")
        await bot.adapter.edit(heard.channel, message_id, Reply(TEXT))
        before = texts(teams, group)
        await bot.adapter.edit(heard.channel, message_id, Reply(TEXT))
    async with TeamsBot(teams, store) as bot:
        teams.fail(413, method="PUT", code="MessageSizeTooBig")
        await bot.adapter.edit(heard.channel, message_id, Reply(TEXT))
        assert texts(teams, group) == before
        await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert texts(teams, group) == ["Foxes are red."]


async def test_what_is_said_at_once_and_too_long_goes_on_below_too(
    teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    await teams.say(group, ada, "hello")
    heard = bot.notes.last
    teams.fail(413, method="PUT", code="MessageSizeTooBig")

    await bot.adapter.post(heard.channel, Reply(TEXT), answers=heard.id, nonce="1")

    assert "\n\n".join(texts(teams, group)) == TEXT


async def test_code_that_is_parted_is_code_in_both_parts(
    teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    teams.fail(413, method="PUT", code="MessageSizeTooBig")
    code = "\n".join(f"fox_{number} = 'red | quick'" for number in range(60))

    await bot.adapter.edit(heard.channel, message_id, Reply(f"```python\n{code}\n```"))

    parts = texts(teams, group)
    assert len(parts) > 1
    assert all(part.startswith("```python\n") and part.endswith("\n```") for part in parts)
    assert "\n".join(part.removeprefix("```python\n").removesuffix("\n```") for part in parts) == code


WIDE = "| a | " + "b" * 150 + " |\n|---|---|\n"
WORST = {
    "tags": "<a" * 20_000,
    "quotes": '"<b' * 20_000,
    "a table that grows in columns": WIDE + "|x|y|\n" * 4000,
    "letters of other scripts": "狐" * 20_000,
    "pictures of two halves": "🦊" * 20_000,
    "backslashes": "\\" * 20_000,
}


@pytest.mark.parametrize("text", WORST.values(), ids=WORST.keys())
async def test_the_worst_text_is_taken_at_once(
    text: str, teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    await teams.say(group, ada, "go on")
    heard = bot.notes.last
    parts = split(text, bot.adapter.limits(heard.channel).characters)

    for number, part in enumerate(parts):
        await bot.adapter.post(heard.channel, Reply(part), answers=heard.id, nonce=str(number))

    refused = [call.line() for call in teams.calls if call.status >= 400 and "/conversations/" in call.path]
    assert refused == [], "the strict connector of the tests took everything at once"
    assert len(texts(teams, group)) >= len(parts) > 1


async def test_sources_with_endless_addresses_are_left_out_before_the_message_is_too_large(
    teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    marks = "".join(f"[{number}]" for number in range(1, 20))
    sources = "".join(f"\n[{number}] A fox (https://example.com/{'x' * 1900})" for number in range(1, 6))

    await bot.adapter.edit(heard.channel, message_id, Reply(f"Red {marks}.\n{sources}"))

    (label,) = teams.answers(group)[0].activity["entities"]
    assert [each["position"] for each in label["citation"]] == [1]


# Cards.


def a_table(rows: int, letters: str = "a fox in the snow of a long winter") -> str:
    head = "| Name | What it is, at some length | Where |\n|---|---|---|\n"
    return head + "".join(f"| fox {number} | {letters} {letters} | wood |\n" for number in range(rows))


async def test_a_wide_table_is_a_card_and_one_that_fits_into_no_card_stays_text(
    teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    text = f"Many:\n\n{a_table(90)}\n\nFew:\n\n{a_table(3)}"

    await bot.adapter.edit(heard.channel, message_id, Reply(text, buttons=AGAIN))

    shown, card = teams.answers(group)
    assert [len(each["rows"]) for each in card.card["body"]] == [4], "the small one only"
    assert card.buttons == ["Regenerate"]
    assert "fox 89" in shown.text


@pytest.mark.parametrize("letters", ["a fox in the snow of a long winter", "雪の中のキツネ、長い冬の雪の中のキツネ"])
async def test_no_card_is_larger_than_teams_takes(
    letters: str, teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)

    for rows in (5, 20, 40, 60):
        await bot.adapter.edit(heard.channel, message_id, Reply(a_table(rows, letters), buttons=AGAIN))

    assert [call.status for call in teams.calls if call.status == 413] == []
    assert teams.answers(group)[-1].buttons == ["Regenerate"]


@pytest.mark.parametrize("status", [400, 413])
async def test_where_teams_does_not_take_the_table_the_buttons_come_without_it(
    status: int, teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    teams.fail(status, method="POST", code="MessageSizeTooBig")

    await bot.adapter.edit(heard.channel, message_id, Reply(a_table(3), buttons=AGAIN))

    shown, card = teams.answers(group)
    assert (card.card["body"], card.buttons) == ([], ["Regenerate"])
    assert "fox 2" in shown.text, "it can be read in the text"


async def test_a_card_that_somebody_deleted_is_shown_anew(
    teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    await bot.adapter.edit(heard.channel, message_id, Reply("Red.", buttons=AGAIN))
    group.shown.remove(teams.answers(group)[1])

    await bot.adapter.edit(heard.channel, message_id, Reply("Blue.", buttons=AGAIN))
    await bot.adapter.edit(heard.channel, message_id, Reply("Green.", buttons=AGAIN))

    assert [(each.text, each.buttons) for each in teams.answers(group)] == [("Green.", []), ("", ["Regenerate"])]


async def test_long_text_comes_before_files_and_both_stay_once(
    teams: FakeTeams, bot: TeamsBot, group: Conversation, ada: Person
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    teams.fail(413, method="PUT", code="MessageSizeTooBig")
    notes = Attachment("notes.txt", "text/plain", b"a fox")

    for _ in range(2):
        await bot.adapter.edit(heard.channel, message_id, Reply(TEXT, (notes,), buttons=AGAIN))

    *said, file, card = teams.answers(group)
    assert "\n\n".join(each.text for each in said) == TEXT
    assert "notes.txt" in file.text
    assert card.buttons == ["Regenerate"]
