"""Translating, catching up, searching and being helped: what people ask about a channel and what is in it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot import Keep, Pieces, Skill, Turn
from bot.config import Config
from bot.errors import UserError
from bot.messages import Attachment, Channel, Message, Person, Quote, Said
from bot.models import Usage
from bot.testing import ScriptedModel
from storage import Line, Store
from tests.room import Room

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def said(number: int, author: str, text: str) -> Said:
    return Said("user", text, author, author.lower(), f"p{number}", NOON + timedelta(minutes=number))


async def seed(store: Store, *texts: str, channel: str = "general", author: str = "Bob") -> None:
    heard = await store.accept(("fake", "", channel), f"seed {channel} {texts}", "{}")
    assert heard is not None
    lines = [
        Line("user", text, f"s{number}", author.lower(), author, NOON + timedelta(minutes=number))
        for number, text in enumerate(texts)
    ]
    await store.answered(
        heard, key=("fake", "", channel), answer="{}", said=lines, used=[], person=author.lower(), skill="chat"
    )
    await store.finish(heard)


def asked(room: Room) -> str:
    return "\n".join(prompt.text for prompt in room.model.asked[-1])


class TestTranslating:
    async def test_a_message_is_translated_into_the_language_of_who_asks(self, room: Room) -> None:
        message = room.adapter.message("", skill="translate", quote=Quote("x", None, "See you at noon."))
        ada = Person("ada", "Ada", locale="pt-PT")
        room.model.says = ["Até ao meio-dia."]
        await room.hear(replace(message, author=ada, private=True))
        (answer,) = room.adapter.answers_to(message)
        assert (answer.text, answer.private) == ("Até ao meio-dia.", True)
        assert "into pt-PT" in asked(room)
        assert "See you at noon." in asked(room)

    async def test_words_and_the_channels_own_language(self, room: Room, store: Store) -> None:
        await store.choose(("fake", "", "general"), "translate", {"language": "Welsh"})
        await room.ask("translate good morning")
        assert "into Welsh" in asked(room)
        await room.ask("translate language=French good morning")
        assert "into French" in asked(room)
        assert room.model.tools == (), "a text to translate calls no tools"
        await room.ask("translate", attachments=[Attachment("a.txt", "text/plain", b"good evening")])
        assert "good evening" in asked(room)

    async def test_nothing_to_translate(self, room: Room) -> None:
        assert "Say what I should translate" in (await room.ask("translate")).text


class TestCatchingUp:
    async def test_what_was_missed_is_told_from_where_one_last_spoke(self, room: Room) -> None:
        room.adapter.around = (
            said(0, "Bob", "Old news."),
            said(1, "Ada", "I have to go."),
            said(2, "Bob", "We meet on Monday."),
            said(70, "Eve", "Ada, bring the keys!"),
        )
        room.model.says = ["Bring the keys on Monday."]
        answer = await room.ask("catch up")
        assert answer.text == "Bring the keys on Monday."
        assert answer.footer == "2 messages, 1 Mar 12:02 to 13:10 UTC"
        assert "[1 Mar 13:10] Eve: Ada, bring the keys!" in asked(room)
        assert "Old news." not in asked(room)
        await room.ask("catch-up 3")
        assert "I have to go." in asked(room)
        assert "Old news." not in asked(room)
        await room.ask("catch up on the keys")
        assert "Ada asks: on the keys" in asked(room)

    async def test_nothing_was_missed(self, room: Room) -> None:
        room.adapter.around = (said(0, "Bob", "Hi"), said(1, "Ada", "Hello"))
        answer = await room.ask("catch up")
        assert answer.text == "Nothing was said here since you last spoke."
        assert room.model.asked == []

    async def test_it_is_said_where_the_bot_sees_only_what_was_said_to_it(self, room: Room, store: Store) -> None:
        await seed(store, "We meet on Monday.")
        room.model.says = ["On Monday."]
        answer = await room.ask("catch up")
        assert answer.footer.endswith("I can see only what was said to me here")
        assert "We meet on Monday." in asked(room)

    async def test_what_a_moderator_has_to_allow_is_said(self, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
        async def earlier(channel: Channel, limit: int, since: datetime | None, person: Person) -> None:
            raise UserError("Let me read the history of this channel.")

        monkeypatch.setattr(room.adapter, "earlier", earlier)
        assert (await room.ask("catch up")).text == "Let me read the history of this channel."


class TestSearching:
    async def test_words_are_found_whatever_their_accents_with_a_link(self, room: Room, store: Store) -> None:
        await seed(store, "The café opens at nine", "An invoice came, of 300 euros", "Lunch?", "Nothing of note")
        answer = await room.ask("search CAFE")
        assert answer.text == "- **Bob**, 2026-03-01 12:00: The café opens at nine https://fake.example/general/s0"
        assert (await room.ask("search invoices euros")).text.startswith("- **Bob**, 2026-03-01 12:01: An invoice")
        assert room.model.asked == [], "no model is needed for that"

    async def test_no_other_channel_is_searched(self, room: Room, store: Store) -> None:
        await seed(store, "The password is swordfish", channel="secret")
        await seed(store, "Hello")
        answer = await room.ask("search swordfish")
        assert answer.text == "I found nothing about “swordfish” in this channel."
        assert answer.footer == "I looked in this channel only"

    async def test_what_is_deleted_is_not_found_and_earlier_searches_are_not(self, room: Room, store: Store) -> None:
        await seed(store, "A red fox", "A red hen")
        assert (await room.ask("search red")).text.count("- **Bob**") == 2
        await room.dispatch.deleted(room.adapter.message("").channel, ["s0"])
        assert (await room.ask("search red")).text.count("\n") == 0
        assert "hen" in (await room.ask("search red")).text

    async def test_files_answers_and_the_rest_of_the_channel_are_searched(self, room: Room) -> None:
        notes = b"x " * 400 + b"the treasure lies under the oak " + b"y " * 400
        room.model.says = ["The bus leaves at seven."]
        await room.ask("Keep this", attachments=[Attachment("map.txt", "text/plain", notes)])
        room.adapter.around = (said(5, "Eve", "I never said a word to the bot about zebras"),)
        assert "…" in (await room.ask("search treasure")).text
        assert "lies under the oak" in (await room.ask("search treasure")).text
        assert (await room.ask("search bus")).text.startswith("- **me**")
        assert "Eve" in (await room.ask("search zebras")).text

    async def test_a_transcript_that_was_kept_is_searched_but_not_what_one_person_alone_saw(
        self, config: Config, store: Store
    ) -> None:
        class Clerk(Skill):
            """Write down."""

            name = "clerk"

            async def reply(self, turn: Turn) -> Pieces:
                yield "Written down."
                yield Keep({"lines": [[0.0, 2.0, f"The {turn.message.text.split()[-1]} sings at dawn."]]})

        async with Room(config, store) as plain, plain.again(skills=plain.skills | {"clerk": Clerk()}) as room:
            await room.ask("clerk nightingale")
            await room.hear(replace(room.adapter.message("clerk blackbird"), private=True))
            answer = await room.ask("search sings at dawn")
            assert "The nightingale sings at dawn." in answer.text
            assert "blackbird" not in answer.text

    async def test_what_means_the_same_is_found_and_no_line_is_read_twice(self, room: Room, store: Store) -> None:
        class Meanings(ScriptedModel):
            embedded: int = 0

            async def embed(self, model: str, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
                self.embedded += len(texts)
                animals = ("fox", "hen", "animal")
                made = [[1.0, 0.1] if any(a in text for a in animals) else [0.0, 1.0] for text in texts]
                return made, Usage(self.name, model, "embed", input_tokens=len(texts))

        await seed(store, "The fox is red", "The bus is late", "The hen is here")
        async with room.again(model=Meanings()) as wise:
            answer = await wise.ask("search animals")
            assert "fox" in answer.text
            assert "hen" in answer.text
            assert "bus" not in answer.text
            first: Any = wise.model
            assert first.embedded == 4
            await wise.ask("search animals")
            assert first.embedded <= 5 + 2, "the query, and what was said since"
        spent = await store.spent("fake", "", datetime(2020, 1, 1, tzinfo=UTC))
        assert spent["scripted:embed-by-script"] >= 3


class TestHelping:
    async def test_it_lists_what_is_open_here_in_ones_language(self, room: Room, store: Store) -> None:
        await store.choose(("fake", "", "general"), "draw", {"enabled": False})
        message = room.adapter.message("help")
        await room.hear(replace(message, author=Person("ada", "Ada", locale="de-AT")))
        (answer,) = room.adapter.answers_to(message)
        assert answer.text.startswith("Das kann ich hier:")
        assert "**search**: Finden, was hier gesagt wurde" in answer.text
        assert "**draw**" not in answer.text
        assert "**search**: Find what was said here" in (await room.ask("help")).text

    async def test_a_persona_with_a_key_in_it_is_refused(self, room: Room) -> None:
        channel = room.adapter.message("").channel
        moderator = Person("mo", "Mo", moderator=True)
        with pytest.raises(UserError, match="“persona” holds something like a key"):
            await room.dispatch.configure(channel, moderator, "chat", {"persona": "Use sk-abcdefghijklmnop for this"})
        await room.dispatch.configure(channel, moderator, "chat", {"persona": "You are a pirate."})
        await room.ask("Hello")
        assert room.model.asked[-1][0].text.startswith("You are a pirate.")


async def test_the_menu_of_a_message_asks_about_it(room: Room) -> None:
    quote = Quote("x", Person("bob", "Bob"), "The sky is green.")
    message: Message = room.adapter.message("", skill="chat", request={"text": "Is that so?"}, quote=quote)
    await room.hear(message)
    assert room.model.asked[0][-1].words == "In reply to Bob:\n> The sky is green.\n\nIs that so?"
    await room.ask("And now?")
    assert "Is that so?" in [prompt.text for prompt in room.model.asked[-1]]
