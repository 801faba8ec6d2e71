"""Commands, menus, buttons and dialogs, as people meet them: real discord.py against the loopback Discord."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.messages import Attachment, Button, Channel, Message, Reply
from tests.discord_scene import PNG, Listener, Scene, adapter_for, loopback, running
from tests.discord_skills import EVERY
from tests.fakes.discord import FakeDiscord, Flag, Permission
from tests.fakes.discord.world import Interaction

SCREENS = Path(__file__).parent / "payloads" / "discord" / "screens"
MINUTES = 60.0


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord, *EVERY) as scene:
        await discord.until(lambda: discord.commands)
        yield scene


async def answered(scene: Scene, interaction: Interaction) -> Any:
    return await scene.discord.until(lambda: interaction.response)


async def asked(scene: Scene, **given: Any) -> tuple[Interaction, Message]:
    """Ada calls /draw, and the bot has heard it."""
    count = len(scene.host.messages) + 1
    interaction = await scene.discord.command(scene.general, scene.ada, "draw", **{"prompt": "a fox", **given})
    return interaction, await scene.heard(count)


async def show(scene: Scene, heard: Message, reply: Reply, nonce: str = "a0") -> str:
    """The bot answers."""
    return await scene.adapter.post(heard.channel, reply, answers=heard.id, nonce=nonce)


# What is heard


async def test_a_command_is_acknowledged_first_and_heard_as_what_was_filled_in(scene: Scene) -> None:
    interaction, heard = await asked(scene, size="tall", count=2, strength=0.25, fine_lines=True, locale="de")
    assert interaction.response == {"type": 5}
    assert (heard.id, heard.skill, heard.text) == (interaction.id, "draw", "a fox")
    assert heard.request == {"prompt": "a fox", "size": "tall", "count": 2, "strength": 0.25, "fine_lines": True}
    assert (heard.channel, heard.author.id, heard.author.locale) == (scene.channel, scene.ada.id, "de")
    assert not heard.private


async def test_the_answer_takes_the_place_that_was_held_open_and_the_rest_follows_once(scene: Scene) -> None:
    interaction, heard = await asked(scene)
    first = await show(scene, heard, Reply("Drawing…", running=True, status=True))
    await scene.adapter.edit(heard.channel, first, Reply("One.", buttons=(Button("good", "👍"),)))
    scene.discord.drop("POST", r"/channels/\d+/messages")  # shown, but the bot is not told
    second = await show(scene, heard, Reply("Two."), "a1")
    shown = scene.discord.answers(scene.general)
    assert [(post.id, post.content) for post in shown] == [(first, "One."), (second, "Two.")]
    assert interaction.original is shown[0]
    assert Flag.LOADING not in shown[0].flags
    assert Flag.SUPPRESS_EMBEDS in shown[0].flags, "no preview of a link comes below"
    assert shown[1].reply_to is shown[0]


async def test_an_answer_for_one_pair_of_eyes_stays_with_them(scene: Scene) -> None:
    interaction = await scene.discord.command(scene.general, scene.ada, "catch-up", hours=3)
    heard = await scene.heard()
    assert heard.private
    assert interaction.response == {"type": 5, "data": {"flags": 64}}
    first = await show(scene, heard, Reply("You missed a lot.", private=True))
    await show(scene, heard, Reply("And more.", private=True), "a1")
    await scene.adapter.edit(heard.channel, first, Reply("You missed little.", private=True))
    assert scene.discord.answers(scene.general) == []
    assert [post.content for post in scene.discord.whispers(scene.ada)] == ["You missed little.", "And more."]
    assert scene.discord.whispers(scene.bob) == []


async def test_somebody_may_want_any_answer_for_themselves(scene: Scene) -> None:
    _, heard = await asked(scene, private=True)
    assert heard.private
    await scene.discord.command(scene.general, scene.ada, "catch-up", private=False)
    assert not (await scene.heard(2)).private


async def test_a_private_answer_can_be_shown_to_everybody(scene: Scene) -> None:
    _, heard = await asked(scene, private=True)
    fox = Attachment("fox.png", "image/png", PNG, alt="A fox")
    await show(scene, heard, Reply("@everyone A fox.", (fox,), private=True))
    [whisper] = scene.discord.whispers(scene.ada)
    await scene.discord.press(whisper, scene.ada, "Publish")
    await scene.discord.until(
        lambda: [post for post in scene.discord.answers(scene.general) if not post.flags & Flag.LOADING]
    )
    [shown] = scene.discord.answers(scene.general)
    assert shown.content == "@everyone A fox.\n-# Ada"
    assert not shown.mention_everyone
    assert [(file.data, file.description) for file in shown.files] == [(PNG, "A fox")]


async def test_a_picture_can_be_given_with_a_command(scene: Scene) -> None:
    picture = ("map.png", "image/png", PNG)
    await scene.discord.command(scene.general, scene.ada, "describe", picture=picture, picture_2=picture)
    heard = await scene.heard()
    assert [(each.name, each.media_type, each.size) for each in heard.attachments] == [
        ("map.png", "image/png", len(PNG))
    ] * 2
    assert await scene.adapter.read(heard.channel, heard.attachments[0], 1000) == PNG


async def test_the_menu_of_a_message_shows_the_bot_what_it_could_not_read(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.bob, "look", attachments=[("b.png", "image/png", PNG)])
    await scene.discord.menu(said, scene.ada, "Describe picture")
    heard = await scene.heard()
    assert (heard.skill, heard.text, heard.author.id) == ("describe", "", scene.ada.id)
    assert heard.quote
    assert (heard.quote.id, heard.quote.text, heard.quote.author and heard.quote.author.name) == (
        said.id,
        "look",
        "Bob",
    )
    assert await scene.adapter.read(heard.channel, heard.quote.attachments[0], 1000) == PNG


async def test_asking_about_a_message_asks_what(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.bob, "the tide is high")
    opened = await scene.discord.menu(said, scene.ada, "Ask about this")
    modal = await answered(scene, opened)
    expected = json.loads((SCREENS / "ask_about_this.json").read_text().replace("{message}", said.id))
    assert modal == {"type": 9, "data": expected}
    sent = await scene.discord.submit(opened, text="why?")
    heard = await scene.heard()
    assert (heard.skill, heard.text, heard.request) == ("chat", "why?", {"text": "why?"})
    assert heard.quote
    assert (heard.quote.id, heard.quote.text) == (said.id, "the tide is high")
    await show(scene, heard, Reply("The moon."))
    assert [post.content for post in scene.discord.answers(scene.general)] == ["The moon."]
    assert sent.original is scene.discord.answers(scene.general)[0]


async def test_more_choices_than_discord_lists_are_found_by_typing(scene: Scene) -> None:
    typed = await scene.discord.complete(scene.general, scene.ada, "translate", "language", "language 2")
    response = await answered(scene, typed)
    names = [each["name"] for each in response["data"]["choices"]]
    assert names[0] == "language 2"
    assert len(names) == 11


async def test_a_command_that_is_no_longer_there_says_so(scene: Scene) -> None:
    scene.discord.commands.append({"id": "1", "name": "dance", "options": []})
    called = await scene.discord.command(scene.general, scene.ada, "dance", locale="de")
    response = await answered(scene, called)
    assert response["data"] == {
        "content": "Diesen Befehl kenne ich nicht mehr. Discord vergisst ihn auch bald.",
        "flags": 64,
    }


# When time runs out


async def test_after_a_quarter_of_an_hour_the_answer_goes_on_in_the_channel(scene: Scene) -> None:
    interaction, heard = await asked(scene)
    first = await show(scene, heard, Reply("Drawing…", running=True))
    scene.discord.age(interaction, 15 * MINUTES + 1)
    await scene.adapter.edit(heard.channel, first, Reply("A fox."))
    await show(scene, heard, Reply("And its den."), "a1")
    assert [post.content for post in scene.discord.answers(scene.general)] == ["A fox.", "And its den."]
    assert scene.adapter.trouble == "", "a token that has run out is not the bot's own"


async def test_an_answer_that_was_not_even_begun_by_then_is_posted(scene: Scene) -> None:
    interaction, heard = await asked(scene)
    scene.discord.age(interaction, 15 * MINUTES + 1)
    await show(scene, heard, Reply("A fox."))
    loading, answer = scene.discord.answers(scene.general)
    assert (answer.content, answer.reply_to) == ("A fox.", loading)


async def test_a_private_answer_that_comes_too_late_is_sent_in_private(scene: Scene) -> None:
    interaction, heard = await asked(scene, private=True)
    first = await show(scene, heard, Reply("…", running=True, private=True))
    scene.discord.age(interaction, 15 * MINUTES + 1)
    await scene.adapter.edit(heard.channel, first, Reply("Still at it", running=True, private=True))
    for _ in range(2):
        await scene.adapter.edit(heard.channel, first, Reply("A fox.", private=True))
    assert scene.discord.answers(scene.general) == []
    assert [post.content for post in scene.discord.answers(scene.discord.dm(scene.ada))] == ["A fox."]


async def test_when_the_acknowledgement_comes_too_late_the_answer_is_a_message(scene: Scene) -> None:
    scene.discord.fail("POST", r"/interactions/.*", 404, body={"message": "Unknown interaction", "code": 10062})
    _, heard = await asked(scene)
    await show(scene, heard, Reply("A fox."))
    assert [post.content for post in scene.discord.answers(scene.general)] == ["A fox."]


async def test_when_another_process_was_first_this_one_leaves_it_alone(scene: Scene) -> None:
    scene.discord.fail("POST", r"/interactions/.*", 400, body={"message": "acknowledged", "code": 40060})
    await scene.discord.command(scene.general, scene.ada, "draw", prompt="a fox")
    await scene.nothing_heard_before()


async def test_when_the_acknowledgement_is_lost_on_its_way_the_answer_is_not(scene: Scene) -> None:
    scene.discord.drop("POST", r"/interactions/.*")
    _, heard = await asked(scene)
    await show(scene, heard, Reply("A fox."))
    assert [post.content for post in scene.discord.answers(scene.general)] == ["A fox."]


async def test_an_acknowledgement_is_tried_again_while_there_is_time(scene: Scene) -> None:
    scene.discord.fail("POST", r"/interactions/.*", 502)
    scene.discord.fail("POST", r"/interactions/.*", 500, after=True)  # taken, but the bot is not told so
    interaction, heard = await asked(scene)
    assert interaction.response == {"type": 5}
    await show(scene, heard, Reply("A fox."))
    assert [post.content for post in scene.discord.answers(scene.general)] == ["A fox."]


async def test_an_interaction_that_leaves_out_what_is_known_anyway_is_understood(scene: Scene) -> None:
    interaction = Interaction(scene.general, scene.ada, 2, {"id": "1", "name": "draw", "type": 1, "options": []})
    scene.discord.interactions[interaction.id] = interaction
    payload = scene.discord.interaction_payload(interaction)
    for key in ("channel", "attachment_size_limit", "entitlements", "context"):
        del payload[key]
    await scene.discord.dispatch("INTERACTION_CREATE", payload)
    assert (await scene.heard()).channel == scene.channel


async def test_an_answer_is_finished_by_the_next_process(discord: FakeDiscord) -> None:
    async with Scene(discord, *EVERY) as scene:
        await discord.until(lambda: discord.commands)
        _, heard = await asked(scene, private=True)
        first = await show(scene, heard, Reply("Half an", running=True, private=True))
    host = Listener()
    adapter = adapter_for(discord, *EVERY, notebook=scene.notebook)
    async with running(adapter, host):
        await discord.online()
        again = await adapter.post(heard.channel, Reply("Half an hour", private=True), answers=heard.id, nonce="a0")
        assert again == first
        await adapter.edit(heard.channel, first, Reply("Half an hour.", private=True))
    [whisper] = discord.whispers(scene.ada)
    assert whisper.content == "Half an hour."


async def test_where_the_bot_may_not_write_its_commands_work(scene: Scene) -> None:
    await scene.discord.forbid(scene.general, Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES)
    _, heard = await asked(scene)
    first = await show(scene, heard, Reply("A", running=True))
    await scene.adapter.edit(heard.channel, first, Reply("A fox."))
    await show(scene, heard, Reply("And its den."), "a1")
    assert [post.content for post in scene.discord.answers(scene.general)] == ["A fox.", "And its den."]


async def test_what_follows_a_command_is_shown_once_where_the_bot_may_read_but_not_write(scene: Scene) -> None:
    await scene.discord.forbid(scene.general, Permission.SEND_MESSAGES)
    _, heard = await asked(scene)
    await show(scene, heard, Reply("A fox."))
    scene.discord.drop("POST", r"/webhooks/\d+/[^/]+")  # shown, but the bot is not told
    await show(scene, heard, Reply("And its den."), "a1")
    await show(scene, heard, Reply("And its cubs."), "a2")
    shown = [post.content for post in scene.discord.answers(scene.general)]
    assert shown == ["A fox.", "And its den.", "And its cubs."]


# Where the bot was only brought along


async def test_in_a_server_that_never_invited_it_everything_goes_through_the_command(scene: Scene) -> None:
    far = scene.discord.guild("Far Away", foreign=True)
    lobby = scene.discord.channel(far, "lobby")
    interaction = await scene.discord.command(lobby, scene.ada, "draw", prompt="a fox")
    heard = await scene.heard()
    assert (heard.channel.tenant, heard.channel.id, heard.author.moderator) == (far.id, lobby.id, False)
    await scene.adapter.typing(heard.channel)
    first = await show(scene, heard, Reply("A fox.", buttons=(Button("regenerate", "Regenerate"),)))
    await show(scene, heard, Reply("And its den."), "a1")
    assert [post.content for post in scene.discord.answers(lobby)] == ["A fox.", "And its den."]
    assert scene.discord.called("POST", r"/channels/.*") == []
    scene.discord.age(interaction, 20 * MINUTES)
    await scene.discord.press(scene.discord.answers(lobby)[0], scene.ada, "Regenerate")
    await scene.discord.until(lambda: scene.host.presses)
    await scene.adapter.edit(heard.channel, first, Reply("Another fox."))
    assert scene.discord.answers(lobby)[0].content == "Another fox."


async def test_in_a_conversation_of_other_people_it_works_as_well(scene: Scene) -> None:
    friends = scene.discord.group()
    await scene.discord.command(friends, scene.ada, "draw", prompt="a fox")
    heard = await scene.heard()
    assert heard.channel == Channel("discord", friends.id, "", "group", "friends")
    await show(scene, heard, Reply("A fox."))
    assert [post.content for post in scene.discord.answers(friends)] == ["A fox."]


async def test_between_two_other_people_it_works_as_well(scene: Scene) -> None:
    theirs = scene.discord.dm(scene.bob)
    theirs.of_others = True
    await scene.discord.command(theirs, scene.ada, "draw", prompt="a fox")
    heard = await scene.heard()
    assert heard.channel.kind == "group"
    await show(scene, heard, Reply("A fox."))
    await show(scene, heard, Reply("And its den."), "a1")
    assert [post.content for post in scene.discord.answers(theirs)] == ["A fox.", "And its den."]


# Buttons


async def test_a_press_is_acknowledged_and_told_with_who_pressed(scene: Scene) -> None:
    reply = Reply("A fox.", buttons=(Button("regenerate", "Regenerate"), Button("larger", "Larger")))
    sent = await scene.adapter.post(scene.channel, reply, answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    pressed = await scene.discord.press(answer, scene.bob, "Larger")
    assert await answered(scene, pressed) == {"type": 6}
    await scene.discord.until(lambda: scene.host.presses)
    press = scene.host.presses[0]
    assert (press.message_id, press.action, press.person.id, press.channel.key) == (
        sent,
        "larger",
        scene.bob.id,
        scene.channel.key,
    )
    assert not press.private


async def test_what_there_is_to_say_about_a_press_is_said_to_who_pressed(scene: Scene) -> None:
    scene.host.says = "Only who asked, or a moderator, can do this."
    await scene.adapter.post(
        scene.channel, Reply("Once", buttons=(Button("stop", "Stop"),), running=True), answers="", nonce="n1"
    )
    await scene.discord.press(scene.discord.answers(scene.general)[0], scene.bob, "Stop", locale="de")
    [told] = await scene.discord.until(lambda: scene.discord.whispers(scene.bob))
    assert told.content == "Das kann nur, wer gefragt hat, oder ein Moderator."


async def test_a_thumb_down_asks_for_the_reason_and_counts_without_it(scene: Scene) -> None:
    scene.host.says = "Thank you for telling me."
    await scene.adapter.post(scene.channel, Reply("No.", buttons=(Button("bad", "👎"),)), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    pressed = await scene.discord.press(answer, scene.bob, "👎")
    modal = await answered(scene, pressed)
    assert modal == {"type": 9, "data": json.loads((SCREENS / "thumb_down.json").read_text())}
    await scene.discord.until(lambda: scene.host.presses)
    await scene.discord.submit(pressed, why="too short")
    await scene.discord.until(lambda: len(scene.host.presses) == 2)
    assert [(press.action, press.words) for press in scene.host.presses] == [("bad", ""), ("bad", "too short")]
    assert scene.host.presses[1].message_id == answer.id
    [told] = await scene.discord.until(lambda: scene.discord.whispers(scene.bob))
    assert told.content == "Thank you for telling me."


async def test_a_button_of_another_bots_making_is_left_alone(scene: Scene) -> None:
    await scene.adapter.post(scene.channel, Reply("A", buttons=(Button("good", "👍"),)), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    answer.components[0]["components"][0]["custom_id"] = "somebody-elses"
    pressed = await scene.discord.press(answer, scene.ada, "👍")
    await scene.nothing_heard_before()
    assert (pressed.response, scene.host.presses) == (None, [])


async def test_what_a_press_on_a_private_answer_brings_stays_private(scene: Scene) -> None:
    _, heard = await asked(scene, private=True)
    await show(scene, heard, Reply("A fox.", buttons=(Button("larger", "Larger"),), private=True))
    [whisper] = scene.discord.whispers(scene.ada)
    await scene.discord.press(whisper, scene.ada, "Larger")
    press = await scene.discord.until(lambda: scene.host.presses and scene.host.presses[0])
    assert press.private
    await scene.adapter.post(heard.channel, Reply("A large fox.", private=True), answers=whisper.id, nonce="b0")
    assert [post.content for post in scene.discord.whispers(scene.ada)] == ["A fox.", "A large fox."]
    assert scene.discord.answers(scene.general) == []


async def test_a_question_that_could_not_be_kept_is_told_where_it_was_asked(scene: Scene) -> None:
    """The core says so through `post`; nothing is left thinking for ever."""
    scene.host.trouble = OSError("disk full")
    interaction = await scene.discord.command(scene.general, scene.ada, "draw", prompt="a fox")
    await answered(scene, interaction)
    await scene.adapter.post(
        scene.channel, Reply("I cannot take questions just now."), answers=interaction.id, nonce="x"
    )
    [answer] = scene.discord.answers(scene.general)
    assert (answer.content, answer.flags & Flag.LOADING) == ("I cannot take questions just now.", 0)


async def test_somebody_who_is_new_on_discord_is_known_to_be(scene: Scene) -> None:
    stranger = scene.discord.person("Stranger", new=True)
    await scene.discord.command(scene.general, stranger, "draw", prompt="a fox")
    assert (await scene.heard()).author.new
    await scene.discord.say(scene.general, scene.ada, "hello", mention_bot=True)
    assert not (await scene.heard(2)).author.new
