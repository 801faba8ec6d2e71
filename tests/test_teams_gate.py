"""Who gets in at /api/messages, and that the bot's token never leaves for a wrong host."""

import asyncio
import base64
import gzip
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from bot.adapter import AdapterOff, Gone
from bot.adapters.teams import Teams
from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.keys import Keys, KeysUnavailable
from bot.adapters.teams.wire import Wire, is_public
from bot.config import load_config
from bot.errors import UserError
from bot.messages import Attachment, Reply
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.identity import rsa_key
from tests.fakes.teams.world import Json
from tests.teams_bot import TeamsBot


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def chat(teams: FakeTeams, ada: Person) -> Conversation:
    return teams.personal(ada)


def deep_header() -> str:
    """A token whose header is nested too deeply to be read."""
    header = base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("=")
    return f"{header}.e30.c2ln"


def unsigned(teams: FakeTeams) -> str:
    return teams.identity.sign(teams.service_url, key="", algorithm="none")


NOW = int(time.time())
TOKENS: dict[str, Callable[[FakeTeams], str | None]] = {
    "none at all": lambda teams: None,
    "garbage": lambda teams: "garbage",
    "garbage in three parts": lambda teams: "a.b.c",
    "not even letters": lambda teams: "ä.ö.ü",
    "a header nested too deeply": lambda teams: deep_header(),
    "signed with another key": lambda teams: teams.identity.sign(teams.service_url, key=rsa_key(7)),
    "an unknown key id": lambda teams: teams.identity.sign(teams.service_url, headers={"kid": "nobody's"}),
    "a broken header": lambda teams: teams.identity.sign(teams.service_url).replace("eyJ", "e30", 1),
    "not signed": unsigned,
    "signed with a shared secret": lambda teams: teams.identity.sign(
        teams.service_url, key="x" * 64, algorithm="HS256"
    ),
    "a length that the header does not have": lambda teams: teams.identity.sign(teams.service_url)[:-5],
    "a key of its own along": lambda teams: teams.identity.sign(
        teams.service_url, key=rsa_key(7), headers={"jku": f"{teams.origin}/keys", "x5u": f"{teams.origin}/keys"}
    ),
    "an end beyond all numbers": lambda teams: teams.identity.sign(teams.service_url, exp=10**400),
    "expired": lambda teams: teams.identity.sign(teams.service_url, exp=NOW - 3600),
    "not valid yet": lambda teams: teams.identity.sign(teams.service_url, nbf=NOW + 3600),
    "without an end": lambda teams: teams.identity.sign(teams.service_url, without=("exp",)),
    "without a beginning": lambda teams: teams.identity.sign(teams.service_url, without=("nbf",)),
    "without an issuer": lambda teams: teams.identity.sign(teams.service_url, without=("iss",)),
    "without an audience": lambda teams: teams.identity.sign(teams.service_url, without=("aud",)),
    "for another bot": lambda teams: teams.identity.sign(teams.service_url, aud="another-app"),
    "of another issuer": lambda teams: teams.identity.sign(teams.service_url, iss="https://sts.windows.net/x/"),
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
async def test_a_wrong_token_is_refused(
    token: Callable[[FakeTeams], str | None], teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    answered = await teams.deliver(teams.message(chat, ada, "hello"), token=token(teams))

    assert answered.status == 401
    assert answered.headers["WWW-Authenticate"] == "Bearer"
    assert json.loads(answered.body)["error"]["code"] == "Unauthorized"
    assert bot.notes.heard_ == []
    assert (await teams.say(chat, ada, "hello")).status == 202, "the next honest message is not its victim"


async def test_a_lower_case_bearer_and_five_minutes_of_clock_are_forgiven(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    token = teams.identity.sign(teams.service_url, exp=int(time.time()) - 240)
    message = teams.message(chat, ada, "hello")

    answered = await teams.deliver(message, token=None, headers={"Authorization": f"bearer {token}"})

    assert answered.status == 202


async def test_two_tokens_in_one_request_are_one_too_many(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    body = json.dumps(teams.message(chat, ada, "hello")).encode()
    token = teams.identity.sign(teams.service_url)
    head = (
        "POST /api/messages HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Authorization: Bearer {token}\r\nAuthorization: Bearer a.b.c\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", URL(teams.bot_url).port)

    writer.write(head.encode() + body)

    assert (await reader.read()).startswith(b"HTTP/1.1 401")
    writer.close()
    assert bot.notes.heard_ == []


async def test_one_token_for_many_people_is_told_of_once(
    teams: FakeTeams, bot: TeamsBot, capsys: pytest.CaptureFixture[str]
) -> None:
    token = teams.identity.sign(teams.service_url)
    for name in ("Ada", "Grace", "Edsger"):
        person = teams.person(name)
        await teams.deliver(teams.message(teams.personal(person), person, "hello"), token=token)
    assert "many senders" not in capsys.readouterr().out

    for name in ("Alan", "Barbara"):
        person = teams.person(name)
        answered = await teams.deliver(teams.message(teams.personal(person), person, "hello"), token=token)
        assert answered.status == 202, "in a large organisation that is usual"

    assert capsys.readouterr().out.count("many senders") == 1


async def test_a_flood_of_refusals_does_not_flood_the_log(
    teams: FakeTeams, bot: TeamsBot, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(50):
        assert (await teams.deliver({}, token="a.b.c")).status == 401

    assert capsys.readouterr().out.count("turned away") == 1


ACTIVITIES: dict[str, tuple[Json, int]] = {
    "another service address than the token's": ({"serviceUrl": "http://127.0.0.1:1/teams/"}, 403),
    "a token for another part of Teams": ({"serviceUrl": "OTHER PART"}, 403),
    "no service address": ({"serviceUrl": None}, 400),
    "an empty service address": ({"serviceUrl": ""}, 400),
    "another channel": ({"channelId": "webchat"}, 403),
    "no channel": ({"channelId": None}, 400),
    "a foreign tenant": ({"channelData": {"tenant": {"id": "evil"}}}, 403),
    "a tenant that is foreign in one of two places": (
        {"conversation": {"id": "a:1", "conversationType": "personal", "tenantId": "evil"}},
        403,
    ),
    "a service address with a query": ({"serviceUrl": "OTHER PART?a=b"}, 403),
    "an id that leads elsewhere": ({"id": ".."}, 400),
    "a conversation that leads elsewhere": ({"conversation": {"id": "..", "conversationType": "personal"}}, 400),
    "20000 values": ({"value": [0] * 20_000}, 400),
    "40000 objects": ({"attachments": [{}] * 40_000}, 400),
    "no tenant": ({"channelData": {}, "conversation": {"id": "a:1", "conversationType": "personal"}}, 403),
    "an old message": ({"timestamp": "2020-01-01T00:00:00Z"}, 403),
    "no id": ({"id": None}, 400),
    "an endless id": ({"id": "9" * 5000}, 400),
    "a number as id": ({"id": 5}, 400),
    "no sender": ({"from": None}, 400),
    "a word as sender": ({"from": "Ada"}, 400),
    "no conversation": ({"conversation": None}, 400),
    "a number as conversation": ({"conversation": 7}, 400),
    "no type": ({"type": None}, 400),
    "an object as text": ({"text": {"a": 1}}, 400),
    "a word as entities": ({"entities": "mention"}, 400),
    "a word as an entity": ({"entities": ["mention"]}, 400),
    "a word as attachments": ({"attachments": "picture"}, 400),
    "a word as timestamp": ({"timestamp": "yesterday"}, 400),
    "a number as timestamp": ({"timestamp": 5}, 400),
    "an impossible date": ({"timestamp": "9999999-01-01T00:00:00Z"}, 400),
    "a value nested 40 deep": ({"value": json.loads("[" * 40 + "]" * 40)}, 400),
}


@pytest.mark.parametrize(("changes", "status"), ACTIVITIES.values(), ids=ACTIVITIES.keys())
async def test_an_activity_that_its_token_does_not_cover_is_refused(
    changes: Json, status: int, teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    if str(changes.get("serviceUrl")).startswith("OTHER PART"):  # the host is right, the token was made for another
        changes = {"serviceUrl": str(changes["serviceUrl"]).replace("OTHER PART", f"{teams.service_url}amer/")}

    answered = await teams.deliver(teams.message(chat, ada, "hello") | changes)

    assert answered.status == status, answered.body
    assert json.loads(answered.body)["error"]["message"]
    assert bot.notes.heard_ == []


async def test_a_key_that_may_not_speak_for_teams_is_refused(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    teams.identity.endorsements = ["webchat"]
    teams.identity.rotate()

    assert (await teams.say(chat, ada, "hello")).status == 403


BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 400),
    "words": (b"hello", 400),
    "half an object": (b'{"type": "message"', 400),
    "a list": (b"[1, 2]", 400),
    "a word": (b'"message"', 400),
    "null": (b"null", 400),
    "bytes that are no text": (b"\xff\xfe\xfa{}", 400),
    "a number that is none": (b'{"type": NaN}', 400),
    "a number of 5000 digits": (b'{"value": ' + b"9" * 5000 + b"}", 400),
    "nested 100000 deep": (b"[" * 100_000, 400),
    "an empty object": (b"{}", 400),
    "257 KiB": (b'{"text": "' + b"x" * 257 * 1024 + b'"}', 413),
}


@pytest.mark.parametrize(("body", "status"), BODIES.values(), ids=BODIES.keys())
async def test_a_body_that_is_no_activity_is_refused(body: bytes, status: int, teams: FakeTeams, bot: TeamsBot) -> None:
    answered = await teams.deliver(body)

    assert answered.status == status
    assert bot.notes.heard_ == []


async def test_a_small_archive_that_unfolds_to_megabytes_is_refused(teams: FakeTeams, bot: TeamsBot) -> None:
    bomb = gzip.compress(b" " * 16 * 1024 * 1024)

    answered = await teams.deliver(bomb, headers={"Content-Encoding": "gzip"})

    assert answered.status == 413


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", gzip.compress(b"{}", mtime=0), 400),
        ("gzip", b"no archive at all", 400),
        ("gzip", gzip.compress(b"x" * 1000, mtime=0)[:-10], 400),
        ("deflate", b"{}", 415),
        ("br", b"{}", 415),
        ("gzip, gzip", gzip.compress(b"{}", mtime=0), 415),
    ],
)
async def test_a_packed_body_is_unpacked_by_the_bot_or_refused(
    encoding: str, body: bytes, status: int, teams: FakeTeams, store: Store
) -> None:
    async with TeamsBot(teams, store, auto_decompress=False):
        assert (await teams.deliver(body, headers={"Content-Encoding": encoding})).status == status


async def test_what_is_packed_arrives_and_what_unfolds_to_megabytes_does_not(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    packed = gzip.compress(json.dumps(teams.message(chat, ada, "hello")).encode())
    bomb = gzip.compress(b" " * 16 * 1024 * 1024)
    async with TeamsBot(teams, store, auto_decompress=False) as bot:
        assert (await teams.deliver(bomb, headers={"Content-Encoding": "gzip"})).status == 413
        assert (await teams.deliver(packed, headers={"Content-Encoding": "gzip"})).status == 202
        assert [heard.text for heard in bot.notes.heard_] == ["hello"]


async def test_who_goes_away_in_the_middle_is_no_alarm(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation, capsys: pytest.CaptureFixture[str]
) -> None:
    token = teams.identity.sign(teams.service_url)
    head = (
        "POST /api/messages HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: 200\r\n\r\n{{"
    )
    _, writer = await asyncio.open_connection("127.0.0.1", URL(teams.bot_url).port)
    writer.write(head.encode())
    await writer.drain()
    await teams.until(lambda: teams.called("GET", "/keys$"))
    writer.transport.abort()

    assert (await teams.say(chat, ada, "hello")).status == 202
    assert "[error" not in capsys.readouterr().out


async def test_slow_bodies_leave_room_for_quick_ones(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.ingress._MOST_SLOW", 2)
    monkeypatch.setattr("bot.adapters.teams.ingress._AT_ONCE", 2)
    monkeypatch.setattr("bot.adapters.teams.ingress._HURRIED_SECONDS", 0.2)
    enough = asyncio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        yield b'{"type":'
        await enough.wait()

    slow = [asyncio.create_task(teams.deliver(trickle())) for _ in range(5)]
    await asyncio.wait(slow, timeout=5, return_when=asyncio.FIRST_COMPLETED)

    assert (await teams.say(chat, ada, "hello")).status == 202
    assert sum(each.done() for each in slow) <= 3
    enough.set()
    assert {each.status for each in await asyncio.gather(*slow)} <= {400, 408}


async def test_a_body_without_a_length_is_cut_off_at_the_limit(teams: FakeTeams, bot: TeamsBot) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 65536

    answered = await teams.deliver(endless())

    assert answered.status == 413


async def test_a_body_that_never_ends_does_not_keep_the_door_open(
    teams: FakeTeams, bot: TeamsBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.ingress._READ_SECONDS", 0.2)
    enough = asyncio.Event()

    async def trickle() -> AsyncIterator[bytes]:
        yield b'{"type":'
        await enough.wait()

    answered = await teams.deliver(trickle())
    enough.set()

    assert answered.status == 408


@pytest.mark.parametrize(
    ("kind", "status"),
    [("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("application/json; charset=utf-8", 202)],
)
async def test_only_json_is_read(
    kind: str, status: int, teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    body = json.dumps(teams.message(chat, ada, "hello")).encode()

    assert (await teams.deliver(body, headers={"Content-Type": kind})).status == status


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_only_post_is_answered(method: str, teams: FakeTeams, bot: TeamsBot) -> None:
    answered = await teams.deliver(b"", method=method)

    assert answered.status == 405
    assert answered.headers["Allow"] == "POST"


async def test_too_many_at_once_are_asked_to_come_again(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.ingress._AT_ONCE", 0)

    answered = await teams.say(chat, ada, "hello")

    assert answered.status == 503
    assert "Retry-After" in answered.headers


# The keys.


async def test_a_new_key_is_fetched_when_it_is_first_used(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    assert (await teams.say(chat, ada, "one")).status == 202
    teams.identity.rotate()

    burst = await asyncio.gather(*(teams.say(chat, ada, "two") for _ in range(5)))

    assert [each.status for each in burst] == [202] * 5
    assert len(teams.called("GET", "/keys$")) == 2


async def test_unknown_keys_do_not_make_the_bot_fetch_again_and_again(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    await teams.say(chat, ada, "one")
    for number in range(20):
        token = teams.identity.sign(teams.service_url, headers={"kid": f"made-up-{number}"})
        assert (await teams.deliver(teams.message(chat, ada, "hello"), token=token)).status == 401

    assert len(teams.called("GET", "/keys$")) <= 2


async def test_without_any_keys_teams_is_asked_to_send_again(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    teams.fail(500, path="openidconfiguration", times=2)
    async with TeamsBot(teams, store):
        refused = await teams.say(chat, ada, "hello")
        assert refused.status == 503
        assert "Retry-After" in refused.headers


async def test_a_page_in_place_of_the_keys_is_not_believed(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    teams.fail(200, path="/keys$", times=9, body={"keys": [{"kid": teams.identity.kid, "kty": "RSA"}, 5]})
    async with TeamsBot(teams, store):
        assert (await teams.say(chat, ada, "hello")).status == 503


async def test_old_keys_stay_good_while_the_key_server_is_away(teams: FakeTeams) -> None:
    hours = [0.0]
    wire = Wire()
    await wire.open()
    keys = Keys(f"{teams.origin}/v1/.well-known/openidconfiguration", wire, clock=lambda: hours[-1] * 3600)
    try:
        assert await keys.find(teams.identity.kid)
        away = teams.fail(500, path="well-known", times=1000)
        for asked, hour in enumerate((30, 60, 119), 1):
            hours.append(hour)
            assert await keys.find(teams.identity.kid), "known keys are used while new ones are asked for"
            await teams.until(lambda asked=asked: away.hits == asked)  # type: ignore[misc]
        hours.append(121)
        with pytest.raises(KeysUnavailable):
            await keys.find(teams.identity.kid)
        teams.faults.clear()
        hours.append(122)
        assert await keys.find(teams.identity.kid)
    finally:
        await keys.close()
        await wire.close()


async def test_a_key_server_that_hangs_delays_nobody_whose_key_is_known(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    await teams.say(chat, ada, "one")
    held = teams.hold(path="openidconfiguration")
    token = teams.identity.sign(teams.service_url, headers={"kid": "made-up"})
    stuck = asyncio.create_task(teams.deliver(teams.message(chat, ada, "?"), token=token))
    await teams.until(lambda: held.hits)

    answered = await teams.say(chat, ada, "two")

    assert answered.status == 202
    assert answered.seconds < 1
    held.release()
    assert (await stuck).status == 401


async def test_who_waits_for_keys_takes_nobody_elses_place(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.keys._MOST_WAITING", 3)
    monkeypatch.setattr("bot.adapters.teams.ingress._AT_ONCE", 3)
    await teams.say(chat, ada, "one")
    held = teams.hold(path="openidconfiguration")
    tokens = [teams.identity.sign(teams.service_url, headers={"kid": f"made-up-{number}"}) for number in range(6)]
    stuck = [asyncio.create_task(teams.deliver({}, token=token)) for token in tokens]
    await teams.until(lambda: held.hits and sum(each.done() for each in stuck) == 3)

    assert (await teams.say(chat, ada, "two")).status == 202
    held.release()
    assert sorted(each.status for each in await asyncio.gather(*stuck)) == [401, 401, 401, 503, 503, 503]


# The hosts.

HOSTS = {
    "https://smba.trafficmanager.net/emea/": True,
    "https://smba.trafficmanager.net": True,
    "https://emea.smba.trafficmanager.net/": True,
    "https://SMBA.trafficmanager.net/teams/": True,
    "https://webchat.botframework.com/": True,
    "https://gov.example.us/teams/": True,
    "http://smba.trafficmanager.net/": False,
    "https://smba.trafficmanager.net:8443/": False,
    "https://evil.trafficmanager.net/": False,
    "https://smba.trafficmanager.net.evil.example/": False,
    "https://evilsmba.trafficmanager.net/": False,
    "https://evilbotframework.com/": False,
    "https://smba.trafficmanager.net@evil.example/": False,
    "https://evil.example/smba.trafficmanager.net": False,
    "https://evil.example#smba.trafficmanager.net": False,
    "https://evil.example\\@smba.trafficmanager.net/": False,
    "https://smba.trafficmanager.net\\.evil.example/": False,
    "https://smba.trafficmanager.net\n.evil.example/": False,
    "https://smba\u3002trafficmanager.net/": False,
    "https://gov.example.us.evil.example/": False,
    "http://gov.example.us/": False,
    "http://127.0.0.1:8080/": False,
    "http://localhost/": False,
    "ftp://smba.trafficmanager.net/": False,
    "//smba.trafficmanager.net/": False,
    "smba.trafficmanager.net": False,
    "https://": False,
    "": False,
}


@pytest.mark.parametrize(("address", "good"), HOSTS.items())
def test_only_hosts_of_teams_are_trusted(address: str, good: bool) -> None:
    assert Hosts(["gov.example.us"]).trusts(address) is good


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("http://127.0.0.1:56150/_connector", True),
        ("http://localhost:56150", True),
        ("http://[::1]:56150/", True),
        ("https://smba.trafficmanager.net/", False),
        ("http://192.168.1.4:56150/", False),
        ("http://127.0.0.1.evil.example/", False),
    ],
)
def test_without_credentials_only_this_machine_is_trusted(address: str, good: bool) -> None:
    assert Hosts(["gov.example.us"], loopback_only=True).trusts(address) is good


class Eavesdropper:
    """Another server on this machine, which is not on the bot's list."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    async def __aenter__(self) -> "Eavesdropper":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        self.heard.append((request.path, request.headers.get("Authorization", "")))
        return web.json_response({"id": "1"}, status=201)


async def test_a_token_signed_for_a_foreign_host_gets_nothing_from_the_bot(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    async with Eavesdropper() as eve:
        message = teams.message(chat, ada, "hello", serviceUrl=eve.url)

        answered = await teams.deliver(message, token=teams.identity.sign(eve.url))

        assert answered.status == 403
        assert eve.heard == []


async def test_a_stored_host_that_is_no_longer_allowed_gets_nothing(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    async with TeamsBot(teams, store) as bot:
        await teams.say(chat, ada, "hello")
        channel = bot.notes.last.channel
    async with TeamsBot(teams, store, teams_service_hosts=("gov.example.us",)) as bot:
        with pytest.raises(Gone, match="not allowed"):
            await bot.adapter.post(channel, Reply("hello"), answers="", nonce="n")
        await bot.adapter.typing(channel)

    assert teams.called("POST", "/conversations/") == []


async def test_a_picture_elsewhere_never_sees_the_token(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    async with Eavesdropper() as eve:
        picture = {"contentType": "image/png", "contentUrl": f"{eve.url}fox.png"}
        await teams.say(chat, ada, "look", attachments=[picture])
        heard = bot.notes.last

        with pytest.raises(UserError):
            await bot.adapter.read(heard.channel, heard.attachments[0], 1000)

        assert eve.heard == [], "an address on this machine is not even asked"


async def test_a_redirect_does_not_carry_the_token_along(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    await teams.say(chat, ada, "look", attachments=[teams.picture(b"a fox")])
    heard = bot.notes.last
    elsewhere = teams.file("fox.png", b"a fox")["content"]["downloadUrl"]
    teams.fail(302, path="/views/original", headers={"Location": elsewhere})

    content = await bot.adapter.read(heard.channel, heard.attachments[0], 1000)

    assert content == b"a fox"
    assert teams.called("GET", "/sharepoint/")[0].authorization == ""


@pytest.mark.parametrize("redirected", [False, True], ids=["at once", "after a redirect"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
async def test_a_download_never_enters_a_private_network(
    host: str, redirected: bool, teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    knocks: list[str] = []

    async def knock(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(host)
        writer.close()

    server = await asyncio.start_server(knock, "127.0.0.1", 0)
    async with server:
        address = f"https://{host}:{server.sockets[0].getsockname()[1]}/fox.png"
        file = teams.file("fox.png", b"")
        if redirected:
            teams.fail(302, path="/sharepoint/", headers={"Location": address})
        else:
            file["content"]["downloadUrl"] = address
        await teams.say(chat, ada, "look", attachments=[file])
        heard = bot.notes.last

        with pytest.raises(UserError, match=r"fox\.png"):
            await bot.adapter.read(heard.channel, heard.attachments[0], 1000)

    assert knocks == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("2001::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
    ],
)
def test_a_private_address_is_known_in_every_spelling(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_file_that_is_too_large_or_gone_is_told_in_words(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    files = [teams.file("large.bin", b"x" * 200_000), teams.file("old.bin", b"x")]
    await teams.say(chat, ada, "look", attachments=files)
    heard = bot.notes.last
    teams.fail(403, path="/old.bin")

    with pytest.raises(UserError, match=r"large\.bin.*larger than 0\.1 MB"):
        await bot.adapter.read(heard.channel, heard.attachments[0], 100_000)
    with pytest.raises(UserError, match=r"old\.bin.*again"):
        await bot.adapter.read(heard.channel, heard.attachments[1], 100_000)
    source = Attachment("odd.bin", "image/png", source="download:nonsense")
    with pytest.raises(UserError, match=r"odd\.bin"):
        await bot.adapter.read(heard.channel, source, 100_000)


# Without credentials.


async def test_without_credentials_the_bot_serves_this_machine(store: Store) -> None:
    async with FakeTeams(anonymous=True) as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")
        chat = teams.personal(ada)

        answered = await teams.say(chat, ada, "hello")
        heard = bot.notes.last
        await bot.adapter.post(heard.channel, Reply("Hello, Ada."), answers=heard.id, nonce="n")

        assert answered.status == 202
        assert [each.text for each in teams.answers(chat)] == ["Hello, Ada."]
        assert teams.leaks == []
        assert "this machine only" in bot.adapter.greeting


@pytest.mark.parametrize("host", ["[", "a b", "localhost:x", ""])
async def test_an_impossible_host_is_turned_away(host: str, store: Store) -> None:
    async with FakeTeams(anonymous=True) as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")

        answered = await teams.deliver(teams.message(teams.personal(ada), ada, "hello"), headers={"Host": host})

        assert answered.status in (400, 403)
        assert bot.notes.heard_ == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "bot.example.com"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"Host": "192.168.1.4:3978"},
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
async def test_without_credentials_nobody_else_is_served(headers: dict[str, str], store: Store) -> None:
    async with FakeTeams(anonymous=True) as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")

        answered = await teams.deliver(teams.message(teams.personal(ada), ada, "hello"), headers=headers)

        assert answered.status == 403
        assert bot.notes.heard_ == []


async def test_without_credentials_a_foreign_service_is_refused(store: Store) -> None:
    async with FakeTeams(anonymous=True) as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")
        message = teams.message(teams.personal(ada), ada, "hello", serviceUrl="https://smba.trafficmanager.net/emea/")

        assert (await teams.deliver(message)).status == 403
        assert bot.notes.heard_ == []


OFF: dict[str, tuple[dict[str, Any], str]] = {
    "nothing set": ({}, "TEAMS_APP_ID, TEAMS_APP_PASSWORD and TEAMS_TENANT_ID"),
    "no secret": ({"teams_app_id": "a", "teams_tenant_id": "t"}, "^set TEAMS_APP_PASSWORD too"),
    "no tenant": ({"teams_app_id": "a", "teams_app_password": "p"}, "^set TEAMS_TENANT_ID too"),
    "only an id": ({"teams_app_id": "a"}, "TEAMS_APP_PASSWORD and TEAMS_TENANT_ID too"),
    "blank id": ({"teams_app_id": " ", "teams_app_password": "p", "teams_tenant_id": "t"}, "TEAMS_APP_ID"),
    "without credentials on all addresses": ({"teams_anonymous": True, "host": "0.0.0.0"}, "PARLEY_HOST=127.0.0.1"),
    "without credentials on the network": ({"teams_anonymous": True, "host": "192.168.1.4"}, "this machine only"),
    "keys over plain http": (
        {
            "teams_app_id": "a",
            "teams_app_password": "p",
            "teams_tenant_id": "t",
            "teams_openid_url": "http://login.example/keys",
        },
        "PARLEY_TEAMS_OPENID_URL must.*https",
    ),
    "signing in over plain http": (
        {
            "teams_app_id": "a",
            "teams_app_password": "p",
            "teams_tenant_id": "t",
            "teams_login_url": "http://login.example",
        },
        "PARLEY_TEAMS_LOGIN_URL must.*https",
    ),
}


@pytest.mark.parametrize(("settings", "remedy"), OFF.values(), ids=OFF.keys())
async def test_teams_stays_off_and_says_what_to_set(settings: dict[str, Any], remedy: str, store: Store) -> None:
    with pytest.raises(AdapterOff, match=remedy):
        Teams(load_config(**settings), store)


async def test_with_credentials_the_anonymous_switch_changes_nothing(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    async with TeamsBot(teams, store, teams_anonymous=True):
        assert (await teams.deliver(teams.message(chat, ada, "hello"), token=None)).status == 401
        assert (await teams.say(chat, ada, "hello")).status == 202


async def test_no_secret_and_no_word_is_seen_in_the_log(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = teams.fail(401, path="oauth2", body={"error_description": "AADSTS7000222 expired: private"})
    async with TeamsBot(teams, store) as bot:
        await teams.until(lambda: refused.hits)
        await teams.say(chat, ada, "a private question")
        await bot.adapter.post(bot.notes.last.channel, Reply("a private answer"), answers=bot.notes.last.id, nonce="n")
        forged = teams.identity.sign(teams.service_url, key=rsa_key(7))
        await teams.deliver(teams.message(chat, ada, "a private lie"), token=forged)

    printed = capsys.readouterr()
    log = printed.out + printed.err
    assert "AADSTS7000222" in log
    assert "TEAMS_APP_PASSWORD" in log, "the remedy is named"
    for secret in (teams.password, teams.identity.given[0], forged, "private", "Ada"):
        assert secret not in log


async def test_a_further_tenant_may_be_served(teams: FakeTeams, store: Store, ada: Person) -> None:
    guest = teams.personal(ada)
    guest.tenant = "Partner-Tenant"
    async with TeamsBot(teams, store, teams_tenants=("partner-tenant",)) as bot:
        assert (await teams.say(guest, ada, "hello")).status == 202
        assert bot.notes.last.channel.tenant == "Partner-Tenant"
