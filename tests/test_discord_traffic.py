"""What Parley leaves alone so that Discord does not shut it out: closed channels, a refused token, many sessions."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import discord as library
import pytest
import structlog
from aiohttp import ClientSession

from bot.adapter import AdapterOff, Gone, PostFailed
from bot.adapters.discord import client as client_module
from bot.adapters.discord import connection as connection_module
from bot.adapters.discord import starts as starts_module
from bot.adapters.discord import traffic as traffic_module
from bot.adapters.discord.notes import Notes
from bot.adapters.discord.starts import Starts, TooSoon, pause_after
from bot.adapters.discord.traffic import Traffic
from bot.messages import Channel, Reply
from tests.discord_scene import Listener, Notebook, Scene, adapter_for, loopback, place, running
from tests.fakes.discord import FakeDiscord, Permission

POSTS = r"/channels/\d+/messages"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "PAUSES", (0.05, 0.1, 0.2, 0.4))
    monkeypatch.setattr(connection_module, "REJOINING", (0.05,))
    monkeypatch.setattr(client_module, "IDENTIFY_PAUSE", 0.0)


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord) as scene:
        yield scene


class Clock:
    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


# Channels that are closed


async def refuse(scene: Scene, times: int) -> None:
    for number in range(times):
        with pytest.raises(Gone):
            await scene.adapter.post(scene.channel, Reply("hello?"), answers="", nonce=f"refused-{number}")


async def test_a_channel_that_goes_on_refusing_is_left_alone_while_others_are_served(scene: Scene) -> None:
    other = scene.discord.channel(scene.guild, "other")
    await scene.discord.forbid(scene.general, Permission.SEND_MESSAGES, quietly=True)
    await refuse(scene, 10)
    await scene.adapter.typing(scene.channel)
    assert len(scene.discord.called("POST", r"/channels/\d+/.*")) == 3
    await scene.adapter.post(place(other), Reply("here"), answers="", nonce="n1")
    assert len(scene.discord.answers(other)) == 1


async def test_signs_of_typing_count_as_well(scene: Scene) -> None:
    await scene.discord.forbid(scene.general, Permission.SEND_MESSAGES, quietly=True)
    for _ in range(10):
        await scene.adapter.typing(scene.channel)
    assert len(scene.discord.called("POST", r"/channels/\d+/typing")) == 3


@pytest.mark.parametrize("how", ["channel", "role", "own roles", "server"])
async def test_a_moderator_who_opens_it_again_is_noticed(scene: Scene, how: str) -> None:
    await scene.discord.forbid(scene.general, Permission.SEND_MESSAGES, quietly=True)
    await refuse(scene, 4)
    scene.general.overwrites.clear()
    role, guild = scene.discord.bot_role(scene.guild), {"guild_id": scene.guild.id}
    match how:
        case "channel":
            await scene.discord.dispatch("CHANNEL_UPDATE", scene.general.payload())
        case "role":
            await scene.discord.dispatch("GUILD_ROLE_UPDATE", guild | {"role": role.payload()})
        case "own roles":
            member = scene.guild.member_payload(scene.discord.bot) | {"user": scene.discord.bot.payload()}
            await scene.discord.dispatch("GUILD_MEMBER_UPDATE", guild | member)
        case _:
            await scene.discord.welcome(scene.guild)
    await scene.discord.say(scene.general, scene.ada, "now?", mention_bot=True)
    await scene.heard()  # by now the change has come
    await scene.adapter.post(scene.channel, Reply("yes"), answers="", nonce="n1")
    assert [post.content for post in scene.discord.answers(scene.general)] == ["yes"]


async def test_what_changes_elsewhere_opens_nothing(scene: Scene) -> None:
    other = scene.discord.channel(scene.guild, "other")
    await scene.discord.announce(other)
    await scene.discord.forbid(scene.general, Permission.SEND_MESSAGES, quietly=True)
    await refuse(scene, 3)
    await scene.discord.forbid(other, Permission.ATTACH_FILES)
    await scene.discord.welcome(scene.discord.guild("Elsewhere"))
    await scene.discord.say(scene.general, scene.ada, "now?", mention_bot=True)
    await scene.heard()
    await refuse(scene, 3)
    assert len(scene.discord.called("POST", POSTS)) == 3


async def test_somebody_who_had_closed_their_private_channel_and_writes_again_is_answered(scene: Scene) -> None:
    private = scene.discord.dm(scene.ada)
    private.closed = True
    channel = Channel("discord", private.id, kind="direct")
    for number in range(4):
        with pytest.raises(Gone):
            await scene.adapter.post(channel, Reply("hi"), answers="", nonce=f"n{number}")
    private.closed = False
    await scene.discord.say(private, scene.ada, "are you there?")
    await scene.heard()
    await scene.adapter.post(channel, Reply("yes"), answers="", nonce="n9")
    assert len(scene.discord.answers(private)) == 1


async def test_answers_that_people_delete_close_no_channel(scene: Scene) -> None:
    scene.discord.limits.on = False
    for number in range(4):
        sent = await scene.adapter.post(scene.channel, Reply("one"), answers="", nonce=f"n{number}")
        await scene.discord.delete(scene.discord.answers(scene.general)[0])
        for _ in range(2):
            with pytest.raises(Gone):
                await scene.adapter.edit(scene.channel, sent, Reply("two"))
    assert len(scene.discord.called("PATCH", r"/channels/\d+/messages/\d+")) == 8


def refusal(status: int = 403, code: int = 50013) -> library.HTTPException:
    class Response:
        def __init__(self) -> None:
            self.status, self.reason = status, "refused"

    kind = library.Forbidden if status == 403 else library.NotFound
    return kind(Response(), {"code": code, "message": "refused"})  # type: ignore[arg-type]


def test_a_closed_channel_is_tried_ever_more_rarely_and_at_least_once_a_day() -> None:
    clock, channel = Clock(), Channel("discord", "1", "2")
    traffic = Traffic(clock)
    for _ in range(2):
        traffic.refused(channel, refusal())
    traffic.check(channel)
    pauses = []
    for _ in range(6):
        traffic.refused(channel, refusal())
        with pytest.raises(Gone):
            traffic.check(channel)
        began = clock.now
        while True:
            clock.now += 60
            try:
                traffic.check(channel)
            except Gone:
                continue
            break
        pauses.append(clock.now - began)
    assert pauses == [300, 1800, 7200, 86400, 86400, 86400]
    traffic.accepted(channel)
    traffic.refused(channel, refusal())
    traffic.check(channel)  # one refusal is none


def test_a_change_in_a_channel_opens_the_threads_below_it() -> None:
    traffic, thread = Traffic(Clock()), Channel("discord", "1", "2", "thread", parent="3")
    for _ in range(3):
        traffic.refused(thread, refusal(404, 10003))
    traffic.changed(channel_id="4")
    with pytest.raises(Gone):
        traffic.check(thread)
    traffic.changed(channel_id="3")
    traffic.check(thread)


def test_closed_channels_are_not_remembered_without_end() -> None:
    traffic = Traffic(Clock())
    for number in range(5000):
        traffic.refused(Channel("discord", str(number)), refusal())
    assert len(traffic._shut) <= 1000


# All of Discord


async def test_a_token_that_is_refused_while_the_bot_runs_stops_everything_with_the_remedy(scene: Scene) -> None:
    scene.discord.token = "another"
    with pytest.raises(PostFailed):
        await scene.adapter.post(scene.channel, Reply("hello?"), answers="", nonce="n1")
    with pytest.raises(AdapterOff, match=r"DISCORD_TOKEN.*Reset Token"):
        await asyncio.wait_for(asyncio.shield(scene.task), 10)
    calls = len(scene.discord.calls)
    with pytest.raises(PostFailed, match="DISCORD_TOKEN"):
        await asyncio.wait_for(scene.adapter.post(scene.channel, Reply("hello?"), answers="", nonce="n1"), 5)
    await scene.adapter.typing(scene.channel)
    assert len(scene.discord.calls) == calls
    assert "DISCORD_TOKEN" in scene.adapter.trouble


async def test_when_too_much_is_refused_nothing_is_called_any_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic_module, "MOST_INVALID", 8)
    rooms = [scene.discord.channel(scene.guild, f"room-{number}") for number in range(20)]
    for room in rooms:
        await scene.discord.forbid(room, Permission.SEND_MESSAGES, quietly=True)
    with structlog.testing.capture_logs() as logs:
        for room in rooms:
            with pytest.raises(PostFailed):
                await scene.adapter.post(place(room), Reply("hello?"), answers="", nonce="n1")
    with pytest.raises(PostFailed, match="refuses too much"):
        await scene.adapter.post(scene.channel, Reply("hello?"), answers="", nonce="n2")
    await scene.adapter.typing(scene.channel)
    assert len(scene.discord.called("POST", r"/channels/\d+/.*")) == 8
    assert [log["log_level"] for log in logs if "refuses so much" in log["event"]] == ["error"]
    assert "refuses too much" in scene.adapter.trouble


async def test_a_limit_that_is_shared_with_other_bots_is_not_held_against_this_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic_module, "MOST_INVALID", 2)
    scene.discord.throttle("POST", POSTS, 0.05, times=3)
    await scene.adapter.post(scene.channel, Reply("hello"), answers="", nonce="n1")
    assert len(scene.discord.messages(scene.general)) == 1
    assert scene.adapter._connection._traffic.pause == 0


def test_refusals_are_forgotten_after_ten_minutes() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    for _ in range(traffic_module.MOST_INVALID):
        traffic.count(403)
        traffic.count(200)
        traffic.count(404)
    assert traffic.pause == pytest.approx(600)
    clock.now += 601
    assert traffic.pause == 0


async def test_while_the_wall_stands_nobody_runs_against_it(scene: Scene) -> None:
    other = scene.discord.channel(scene.guild, "other")
    scene.discord.throttle("POST", rf"/channels/{scene.general.id}/messages", 3600, banned=True)
    with pytest.raises(PostFailed):
        await scene.adapter.post(scene.channel, Reply("hello?"), answers="", nonce="n1")
    with pytest.raises(PostFailed, match="nothing is called"):
        await scene.adapter.post(place(other), Reply("hello?"), answers="", nonce="n2")
    assert len(scene.discord.called("POST", POSTS)) == 1


# Sessions


def starts_within(seconds: float) -> list[float]:
    """When sessions are begun by a bot that is thrown out at once, every time."""
    begun: list[float] = []
    now = 0.0
    while (now := now + max(pause_after(begun, now), 1.0)) < seconds:
        begun.append(now)
        begun = [at for at in begun if at > now - starts_module.DAY]
    return begun


def test_a_bot_that_is_thrown_out_at_once_begins_few_sessions() -> None:
    assert len(starts_within(3600)) <= 20
    day = starts_within(starts_module.DAY)
    assert len(day) <= starts_module.MOST
    assert max(later - earlier for earlier, later in pairwise(day)) <= 901
    assert day[3] < 10  # some restarts in a row are nobody's fault


def test_a_session_that_lasted_makes_the_next_start_a_first_one() -> None:
    begun = starts_within(3600)
    assert pause_after(begun, begun[-1] + 1) > 60
    assert pause_after(begun, begun[-1] + starts_module.SETTLED + 1) == 0


def test_no_more_than_two_hundred_sessions_are_begun_in_a_day() -> None:
    seldom = [number * 400.0 for number in range(starts_module.MOST)]
    assert pause_after(seldom, 80_000.0) == pytest.approx(starts_module.DAY - 80_000)
    assert pause_after(seldom[1:], seldom[-1] + starts_module.SETTLED + 1) == 0


async def test_sessions_are_counted_over_restarts_and_a_clock_put_back_does_no_harm() -> None:
    notebook, clock = Notebook(), Clock()
    for _ in range(starts_module.FREE):
        starts = Starts(Notes(notebook), clock)  # type: ignore[arg-type]
        await starts.load()
        await starts.spend(0)
    starts = Starts(Notes(notebook), clock)  # type: ignore[arg-type]
    await starts.load()
    with pytest.raises(TooSoon) as refused:
        starts.check()
    assert refused.value.seconds == pytest.approx(4)
    await starts.spend(1)  # another shard has done nothing wrong
    clock.now -= 3600
    starts.check()


async def test_a_bot_that_restarts_all_the_time_waits_before_it_joins(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts_module, "FREE", 2)
    notebook = Notebook()
    for _ in range(2):
        async with running(adapter_for(discord, notebook=notebook), Listener()):
            await discord.online()
        await discord.until(lambda: not discord.gateway.lines)
    adapter = adapter_for(discord, notebook=notebook)
    with structlog.testing.capture_logs() as logs:
        async with running(adapter, Listener()):
            await discord.until(lambda: [log for log in logs if log["log_level"] == "error"])
            assert "sessions in the last 24 hours" in adapter.trouble
            assert len(discord.gateway.identifies) == 2
            await discord.online()  # it comes after all, four seconds later
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["discord is not joined yet"]


async def test_a_session_that_discord_ends_again_and_again_is_not_begun_again_and_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starts_module, "FREE", 4)
    with structlog.testing.capture_logs() as logs:
        for count in range(2, 5):
            await scene.discord.gateway.invalidate()
            await scene.discord.until(lambda: len(scene.discord.gateway.identifies) == count)  # noqa: B023
            await scene.discord.online()
        await scene.discord.gateway.invalidate()
        await scene.discord.until(lambda: [log for log in logs if log["event"] == "discord is not joined yet"])
    assert len(scene.discord.gateway.identifies) == 4
    assert not scene.task.done()


async def test_when_discord_has_few_sessions_left_none_is_begun(discord: FakeDiscord) -> None:
    limit = {"total": 1000, "remaining": 40, "reset_after": 7_200_000, "max_concurrency": 1}
    body = {"url": discord.gateway_url, "shards": 1, "session_start_limit": limit}
    discord.fail("GET", "/gateway/bot", 200, body=body, times=99)
    adapter = adapter_for(discord)
    with structlog.testing.capture_logs() as logs:
        async with running(adapter, Listener()):
            refused, *_ = await discord.until(
                lambda: [log for log in logs if log["event"] == "discord is not joined yet"]
            )
            assert refused["seconds"] == 7200
            assert "40 more sessions" in adapter.trouble
    assert discord.gateway.handshakes == 0


async def test_discords_own_count_is_written_as_discord_writes_it(discord: FakeDiscord) -> None:
    """What the test above rests on."""
    headers = {"Authorization": f"Bot {discord.token}", "User-Agent": "DiscordBot (https://example.org, 1)"}
    async with ClientSession() as session, session.get(f"{discord.api}/gateway/bot", headers=headers) as response:
        assert set((await response.json())["session_start_limit"]) == {
            "total",
            "remaining",
            "reset_after",
            "max_concurrency",
        }
