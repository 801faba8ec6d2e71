"""The loopback Teams that a test starts, speaks in, disturbs and looks at."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp import web

from tests.fakes.teams.connector import Call, Connector
from tests.fakes.teams.faults import Accidents, Faults
from tests.fakes.teams.graph import Graph
from tests.fakes.teams.identity import Identity
from tests.fakes.teams.onedrive import OneDrive
from tests.fakes.teams.rates import Rates
from tests.fakes.teams.world import Conversation, File, Json, Person, Shown, new_id

T = TypeVar("T")

_GIVE_UP_SECONDS = 15  # then Teams sends an activity again
_DEFAULT: Any = object()


@dataclass(frozen=True)
class Answered:
    """How the bot answered an activity over HTTP, in how many seconds."""

    status: int
    body: str
    headers: dict[str, str]
    seconds: float
    activity: Json

    @property
    def id(self) -> str:
        return str(self.activity.get("id", ""))

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found


class FakeTeams(Accidents):
    """A Teams with one bot in it, on a free port of 127.0.0.1.

    `bot_url` is where the bot listens for activities. `calls` are all requests that came from the bot; `leaks` are
    sentences about tokens that came where they must not; `throttled` counts the calls that came too fast. `place` is
    the first part of the path of its service.
    """

    def __init__(
        self, *, anonymous: bool = False, bot_name: str = "Parley", port: int = 0, place: str = "teams"
    ) -> None:
        self.anonymous = anonymous
        self.place = place
        self.app_id = str(uuid.uuid4())
        self.password = f"secret-{uuid.uuid4().hex}"
        self.tenant = str(uuid.uuid4())
        self.identity = Identity(self.app_id, self.password, self.tenant)
        self.bot_account: Json = {"id": f"28:{self.app_id}", "name": bot_name}
        self.bot_url = ""
        self.conversations: dict[str, Conversation] = {}
        self.files: dict[str, File] = {}
        self.calls: list[Call] = []
        self.faults = Faults()
        self.rates = Rates()
        self.leaks: list[str] = []
        self.graph = Graph(self)
        self.onedrive = OneDrive(self)
        self._offers: dict[str, Json] = {}
        self.stream_seconds = 120.0
        self.tenants = {self.tenant}
        self.throttled = 0
        self.port = port
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.open(self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self, port: int = 0) -> None:
        """Listen, on a port of before to be found there again."""
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", Connector(self).serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]
        self.identity.graph = f"{self.origin}/graph"
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_GIVE_UP_SECONDS))

    async def close(self) -> None:
        """Be away: nothing listens here any more. What was said is kept."""
        self.faults.clear()
        if self._client is not None and self._runner is not None:
            await self._client.close()
            await self._runner.cleanup()
        self._client = self._runner = None

    # Where things are.

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def service_url(self) -> str:
        return f"{self.origin}/{self.place}/"

    def settings(self) -> dict[str, Any]:
        """What a bot's configuration has to say to talk to this Teams, by the names of its fields."""
        if self.anonymous:
            return {"teams_anonymous": True}
        return {
            "teams_app_id": self.app_id,
            "teams_app_password": self.password,
            "teams_tenant_id": self.tenant,
            "teams_openid_url": f"{self.origin}/v1/.well-known/openidconfiguration",
            "teams_login_url": self.origin,
            "teams_graph_url": f"{self.origin}/graph",
            "teams_service_hosts": (f"127.0.0.1:{self.port}",),
        }

    def environment(self) -> dict[str, str]:
        """The same for a bot in another process."""
        if self.anonymous:
            return {"PARLEY_TEAMS_ANONYMOUS": "1"}
        return {
            "TEAMS_APP_ID": self.app_id,
            "TEAMS_APP_PASSWORD": self.password,
            "TEAMS_TENANT_ID": self.tenant,
            "PARLEY_TEAMS_OPENID_URL": f"{self.origin}/v1/.well-known/openidconfiguration",
            "PARLEY_TEAMS_LOGIN_URL": self.origin,
            "PARLEY_TEAMS_GRAPH_URL": f"{self.origin}/graph",
            "PARLEY_TEAMS_SERVICE_HOSTS": f"127.0.0.1:{self.port}",
        }

    # Who is there.

    def person(self, name: str) -> Person:
        return Person(name)

    def personal(self, person: Person, *, tenant: str = "") -> Conversation:
        """A chat with the bot, which may be in another tenant."""
        self.tenants |= {tenant} if tenant else set()
        return self._add(Conversation(f"a:{uuid.uuid4().hex}", "personal", tenant or self.tenant, members=[person]))

    def group_of(self, team_id: str) -> str:
        """The Entra id of a team."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, team_id))

    def channels_of(self, team_id: str) -> list[Json]:
        """The channels of a team. The first one has no name: clients know what to call it."""
        threads = [each for each in self.conversations.values() if each.kind == "channel"]
        names = {each.channel: each.name for each in threads if (each.team or each.channel) == team_id}
        return [{"id": own, "name": None if own == team_id else name} for own, name in names.items()]

    def group(self, name: str, *people: Person) -> Conversation:
        identifier = f"19:{uuid.uuid4().hex}@thread.v2"
        return self._add(Conversation(identifier, "groupChat", self.tenant, name, members=list(people)))

    def thread(self, name: str, *people: Person, channel: Conversation | None = None) -> Conversation:
        """A thread in a channel: a new one, or one more in the channel of another thread."""
        own = channel.channel if channel else f"19:{uuid.uuid4().hex}@thread.tacv2"
        identifier = f"{own};messageid={new_id()}"
        return self._add(Conversation(identifier, "channel", self.tenant, name, members=list(people)))

    def team(self, name: str, *people: Person) -> tuple[Conversation, Conversation]:
        """A team: its General channel, for which Teams gives no name, and a thread in another channel of it."""
        general = Conversation(f"19:{uuid.uuid4().hex}@thread.tacv2", "channel", self.tenant, members=list(people))
        thread = self.thread(name, *people)
        thread.team = general.id
        return self._add(general), thread

    def _add(self, conversation: Conversation) -> Conversation:
        self.conversations[conversation.id] = conversation
        return conversation

    # Files people send.

    def picture(self, content: bytes, media_type: str = "image/png") -> Json:
        """A pasted picture: the bot has to show its token to read it."""
        identifier = self._keep(File(media_type, "", content))
        return {"contentType": "image/*", "contentUrl": f"{self.service_url}v3/attachments/{identifier}/views/original"}

    def file(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> Json:
        """An uploaded file: its short-lived link wants no token."""
        identifier = self._keep(File(media_type, name, content))
        return {
            "contentType": "application/vnd.microsoft.teams.file.download.info",
            "contentUrl": f"https://contoso.sharepoint.com/personal/{name}",
            "name": name,
            "content": {
                "downloadUrl": f"{self.origin}/sharepoint/{identifier}/{name}?tempauth=v1",
                "uniqueId": identifier,
                "fileType": name.rpartition(".")[2],
            },
        }

    def _keep(self, file: File) -> str:
        identifier = uuid.uuid4().hex
        self.files[identifier] = file
        return identifier

    # What people do.

    def activity(self, conversation: Conversation, person: Person, kind: str = "message", **more: Any) -> Json:
        """An activity as Teams writes it. `more` adds fields or replaces them."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        channel_data: Json = {"tenant": {"id": conversation.tenant}}
        if conversation.kind == "channel":
            channel_data |= {
                "teamsChannelId": conversation.channel,
                "teamsTeamId": conversation.team or conversation.channel,
                "channel": {"id": conversation.channel, "name": conversation.name or None},
                "team": {"id": conversation.team or conversation.channel},
            }
        return {
            "type": kind,
            "id": new_id(),
            "timestamp": now,
            "localTimestamp": now,
            "localTimezone": "Europe/London",
            "channelId": "msteams",
            "serviceUrl": self.service_url,
            "from": person.account,
            "conversation": conversation.account,
            "recipient": dict(self.bot_account),
            "entities": [
                {
                    "type": "clientInfo",
                    "locale": "en-GB",
                    "country": "GB",
                    "platform": "Web",
                    "timezone": "Europe/London",
                }
            ],
            "channelData": channel_data,
            "locale": "en-GB",
        } | more

    def message(
        self,
        conversation: Conversation,
        person: Person,
        text: str,
        *,
        mention: bool | None = None,
        attachments: Iterable[Json] = (),
        quote: Shown | None = None,
        **more: Any,
    ) -> Json:
        """A message activity. The bot is mentioned, except in a personal chat, unless `mention` says otherwise."""
        if mention is None:
            mention = conversation.kind != "personal"
        activity = self.activity(conversation, person, textFormat="plain")
        markup = f"<p>{html.escape(text)}</p>"
        if mention:
            name = str(self.bot_account["name"])
            place = f"<at>{html.escape(name)}</at>"
            activity["entities"].append({"type": "mention", "mentioned": dict(self.bot_account), "text": place})
            span = '<span itemscope="" itemtype="http://schema.skype.com/Mention" itemid="0">'
            markup = f"<p>{span}{html.escape(name)}</span>&nbsp;{html.escape(text)}</p>"
            text = f"{place} {text}"
        if quote is not None:
            markup = _blockquote(quote, self.bot_account) + markup
        sibling = {"contentType": "text/html", "content": markup}
        return activity | {"text": text, "attachments": [*attachments, sibling]} | more

    async def say(self, conversation: Conversation, person: Person, text: str, **given: Any) -> Answered:
        """Somebody writes a message; how the bot answered the request. The arguments are those of `message`."""
        activity = self.message(conversation, person, text, **given)
        conversation.add(Shown(str(activity["id"]), person.name, False, activity, [text]))
        return await self.deliver(activity)

    async def change(self, conversation: Conversation, person: Person, message_id: str, text: str) -> Answered:
        """Its author edits a message."""
        activity = self.message(conversation, person, text, type="messageUpdate", id=message_id)
        activity["channelData"]["eventType"] = "editMessage"
        shown = conversation.find(message_id)
        assert shown is not None
        shown.states.append(text)
        return await self.deliver(activity)

    async def remove(self, conversation: Conversation, person: Person, message_id: str) -> Answered:
        """Its author deletes a message."""
        activity = self.activity(conversation, person, "messageDelete", id=message_id)
        activity["channelData"]["eventType"] = "softDeleteMessage"
        conversation.shown = [shown for shown in conversation.shown if shown.id != message_id]
        return await self.deliver(activity)

    async def add_bot(self, conversation: Conversation, person: Person) -> list[Answered]:
        """The bot is added here, of which Teams tells twice."""
        conversation.has_bot = True
        members = [dict(self.bot_account)]
        return [
            await self.deliver(self.activity(conversation, person, "conversationUpdate", membersAdded=members)),
            await self.deliver(self.activity(conversation, person, "installationUpdate", action="add")),
        ]

    async def remove_bot(self, conversation: Conversation, person: Person, *, quietly: bool = False) -> list[Answered]:
        """The bot is removed from here; `quietly`, without its being told."""
        conversation.has_bot = False
        if quietly:
            return []
        members = [dict(self.bot_account)]
        return [
            await self.deliver(self.activity(conversation, person, "conversationUpdate", membersRemoved=members)),
            await self.deliver(self.activity(conversation, person, "installationUpdate", action="remove")),
        ]

    async def invoke(self, conversation: Conversation, person: Person, name: str, value: Json, **more: Any) -> Answered:
        return await self.deliver(self.activity(conversation, person, "invoke", name=name, value=value, **more))

    async def consent(
        self, conversation: Conversation, person: Person, offer: Shown, info: Json | None, **more: Any
    ) -> Answered:
        """Somebody agrees to a file that is offered, and Teams says where to write it; without `info`, they do not.

        Once more, it is on a device that has not seen yet what became of the offer.
        """
        if offer.id not in self._offers:
            (card,) = offer.activity["attachments"]
            self._offers[offer.id] = card["content"]
        context = self._offers[offer.id]["acceptContext" if info else "declineContext"]
        value = {"type": "fileUpload", "action": "accept" if info else "decline", "context": context}
        value |= {"uploadInfo": info} if info else {}
        return await self.invoke(conversation, person, "fileConsent/invoke", value, **({"replyToId": offer.id} | more))

    async def press(self, conversation: Conversation, person: Person, shown: Shown, title: str) -> Answered:
        """Somebody presses a button below a message."""
        action = next(each for each in shown.card["actions"] if each["title"] == title)
        value = {"action": {each: action[each] for each in ("type", "verb", "data", "title")}, "trigger": "manual"}
        return await self.invoke(conversation, person, "adaptiveCard/action", value, replyToId=shown.id)

    async def judge(
        self, conversation: Conversation, person: Person, shown: Shown, reaction: str, words: str = ""
    ) -> Answered:
        """Somebody gives a thumb (`like`, `dislike`) below a message, with a reason."""
        assert shown.activity["channelData"]["feedbackLoop"]["type"] == "default", "no thumbs there"
        value = {
            "actionName": "feedback",
            "actionValue": {"reaction": reaction, "feedback": json.dumps({"feedbackText": words})},
        }
        return await self.invoke(conversation, person, "message/submitAction", value, replyToId=shown.id)

    def stop_stream(self, conversation: Conversation) -> None:
        """The person presses Teams' own stop button."""
        for each in conversation.streams.values():
            each.ended = each.ended or "Content stream was canceled by user."

    async def deliver(
        self,
        activity: Json | bytes | Any,
        *,
        token: str | None = _DEFAULT,
        headers: dict[str, str] | None = None,
        method: str = "POST",
    ) -> Answered:
        """Send an activity, right or wrong, to the bot. Without `token` it is signed as Teams would sign it."""
        assert self._client is not None
        assert self.bot_url, "tell FakeTeams.bot_url where the bot listens"
        if token is _DEFAULT:
            token = None if self.anonymous else self.identity.sign(self.service_url)
        sent = {"Content-Type": "application/json; charset=utf-8"}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        sent |= headers or {}
        body = {"data": activity} if not isinstance(activity, dict) else {"json": activity}
        began = time.monotonic()
        async with self._client.request(method, self.bot_url, headers=sent, **body) as response:
            text = await response.text()
            return Answered(
                response.status,
                text,
                dict(response.headers),
                time.monotonic() - began,
                activity if isinstance(activity, dict) else {},
            )

    # What there is to see.

    def messages(self, conversation: Conversation) -> list[Shown]:
        """What people see in a conversation now, oldest first."""
        return list(conversation.shown)

    def answers(self, conversation: Conversation) -> list[Shown]:
        """Those of the bot among them."""
        return [shown for shown in conversation.shown if shown.by_bot]

    def called(self, method: str, path: str) -> list[Call]:
        """The recorded calls of this method in whose path the regular expression is found."""
        return [call for call in self.calls if call.method == method and re.search(path, call.path)]

    def tell(self) -> None:
        """Something changed: wake whoever waits in `until`."""
        self._news.set()

    async def until(self, wanted: Callable[[], T], *, within: float = 10.0) -> T:
        """Wait until `wanted()` is true and return what it returned; an AssertionError after `within` seconds."""
        end = time.monotonic() + within
        while not (found := wanted()):
            left = end - time.monotonic()
            if left <= 0:
                latest = "\n".join(call.line() for call in self.calls[-8:])
                raise AssertionError(f"did not happen within {within} s; the latest calls were:\n{latest}")
            self._news.clear()
            with contextlib.suppress(TimeoutError):  # what is wanted need not be news of ours: look now and then
                await asyncio.wait_for(self._news.wait(), min(left, 0.05))
        return found


def _blockquote(quote: Shown, bot: Json) -> str:
    """How the Teams client quotes the message that is replied to."""
    author = str(bot["id"]) if quote.by_bot else "8:orgid:somebody"
    return (
        f'<blockquote itemscope="" itemtype="http://schema.skype.com/Reply" itemid="{quote.id}">\r\n'
        f'<strong itemprop="mri" itemid="{author}">{html.escape(quote.author)}</strong>'
        f'<span itemprop="time" itemid="{quote.id}"></span>\r\n'
        f'<p itemprop="preview">{html.escape(quote.text[:120])}</p>\r\n</blockquote>\r\n'
    )
