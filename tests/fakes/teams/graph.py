"""Microsoft Graph, as far as a bot of Teams uses it: who is where, what was said there, and files in it."""

from __future__ import annotations

import base64
import html
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aiohttp import web

from tests.fakes.teams.checks import Refusal
from tests.fakes.teams.world import Conversation, Json, Person, Shown, new_id

if TYPE_CHECKING:
    from tests.fakes.teams.connector import Call
    from tests.fakes.teams.server import FakeTeams


class Graph:
    """`owners` are Entra ids by `teams/ID`, `teams/ID/channels/ID` or `chats/ID`; a place that is not there gave no
    permission. What was said is read in places that are `readable`. `since` is from when on somebody reads a chat.
    """

    def __init__(self, teams: FakeTeams) -> None:
        self._teams = teams
        self.owners: dict[str, set[str]] = {}
        self.members: dict[str, list[str]] = {}
        self.since: dict[tuple[str, str], str] = {}
        self.readable: set[str] = set()
        self.shares: dict[str, bytes] = {}  # files in SharePoint by their address
        self.hosted: dict[str, bytes] = {}  # pictures in messages by their path
        self.page = 2
        self.message_page = 50
        self.ascending = False
        self.next_host = ""  # where the link to the next page leads, instead of here
        self._among: dict[str, list[Json]] = {}

    # What people do.

    def let_read(self, conversation: Conversation, *people: Person) -> str:
        """Its owner let the bot read what is said here, and who is here: these people. The place, as Graph calls it."""
        place = self.place(conversation)
        self.readable.add(place)
        self.owners.setdefault(place, set())
        self.members[place] = [person.aad for person in people]
        return place

    def place(self, conversation: Conversation) -> str:
        if conversation.kind == "groupChat":
            return f"chats/{conversation.id}"
        return f"teams/{self._teams.group_of(conversation.team or conversation.channel)}"

    def say(
        self,
        conversation: Conversation,
        person: Person | None,
        markup: str,
        *,
        ago: float = 60.0,
        root: str | None = None,
        **more: Any,
    ) -> Json:
        """Somebody wrote so many seconds ago, not to the bot: in the conversation, or in a channel below `root`, which
        is empty for a post of its own. `more` replaces fields.
        """
        at = datetime.now(UTC) - timedelta(seconds=ago)
        root = conversation.id.partition(";messageid=")[2] if root is None else root
        user = {"id": person.aad, "displayName": person.name, "userIdentityType": "aadUser"} if person else None
        message = {
            "id": str(int(at.timestamp() * 1_000_000)) if root or conversation.kind == "groupChat" else new_id(),
            "replyToId": root or None,
            "messageType": "message",
            "createdDateTime": _written(at),
            "deletedDateTime": None,
            "subject": None,
            "body": {"contentType": "html", "content": markup},
            "from": {"application": None, "user": user},
            "attachments": [],
            "mentions": [],
        } | more
        self._among.setdefault(conversation.channel, []).append(message)
        return message

    def begin(
        self, conversation: Conversation, person: Person, markup: str, *, ago: float = 600.0, **more: Any
    ) -> Json:
        """The post that a thread hangs on was written."""
        root = conversation.id.partition(";messageid=")[2]
        return self.say(conversation, person, markup, ago=ago, root="", **({"id": root} | more))

    # What a bot asks.

    def serve(self, call: Call, request: web.Request, rest: list[str]) -> web.Response:
        tenant = self._teams.identity.graph_tenant(call.authorization)
        if not tenant:
            raise Refusal(401, "InvalidAuthenticationToken", "Access token is empty or for another audience.")
        match rest:
            case ["v1.0", ("teams" | "chats") as kind, identifier, "members"]:
                return self._members(f"{kind}/{identifier}", request)
            case ["v1.0", "teams", team, "channels", channel, "members"]:
                return self._members(f"teams/{team}/channels/{channel}", request)
            case ["v1.0", "shares", share, "driveItem", "content"]:
                encoded = share.removeprefix("u!")
                address = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
                if address not in self.shares:
                    raise Refusal(403, "accessDenied", "no permission")
                return web.Response(body=self.shares[address])
            case ["v1.0", *path] if "/".join(path).removesuffix("/$value") in self.hosted:
                return web.Response(body=self.hosted["/".join(path).removesuffix("/$value")], content_type="image/png")
            case ["v1.0", "chats", chat, "messages"]:
                return self._list(self._said(f"chats/{chat}", chat, tenant), request)
            case ["v1.0", "chats", chat, "messages", message]:
                return _one(self._said(f"chats/{chat}", chat, tenant), message)
            case ["v1.0", "teams", team, "channels", channel, "messages", *below]:
                return self._channel(self._said(f"teams/{team}", channel, tenant), request, below)
            case _:
                raise Refusal(403, "Forbidden", "no permission")

    def _channel(self, said: list[Json], request: web.Request, below: list[str]) -> web.Response:
        match below:
            case []:
                posts = [each for each in said if not each["replyToId"]]
                if request.query.get("$expand") == "replies":
                    posts = [
                        post | {"replies": [each for each in said if each["replyToId"] == post["id"]]} for post in posts
                    ]
                return self._list(posts, request)
            case [root, "replies"]:
                return self._list([each for each in said if each["replyToId"] == root], request)
            case [root, "replies", message]:
                return _one([each for each in said if each["replyToId"] == root], message)
            case [root]:
                return _one([each for each in said if not each["replyToId"]], root)
            case _:
                raise Refusal(404, "NotFound", "no such thing")

    def _said(self, place: str, own: str, tenant: str) -> list[Json]:
        """Everything in a chat or a channel, the newest first."""
        there = [each for each in self._teams.conversations.values() if each.channel == own]
        if place not in self.readable or not there or any(each.tenant != tenant for each in there):
            raise Refusal(403, "Forbidden", "Missing role permissions on the request.")
        said = list(self._among.get(own, ()))
        for conversation in there:
            root = conversation.id.partition(";messageid=")[2]
            said += [self._raw(conversation, shown, root if shown.id != root else "") for shown in conversation.shown]
        return sorted(said, key=lambda each: str(each["createdDateTime"]), reverse=not self.ascending)

    def _raw(self, conversation: Conversation, shown: Shown, root: str) -> Json:
        """What the bot was told, or has said, as Graph gives it."""
        if shown.by_bot:
            sender: Json = {"user": None, "application": {"id": self._teams.app_id, "displayName": shown.author}}
        else:
            person = next(each for each in conversation.members if each.name == shown.author)
            sender = {"application": None, "user": {"id": person.aad, "displayName": person.name}}
        return {
            "id": shown.id,
            "replyToId": root or None,
            "messageType": "message",
            "createdDateTime": _written(datetime.fromtimestamp(int(shown.id) / 1_000_000, UTC)),
            "deletedDateTime": None,
            "body": {"contentType": "html", "content": f"<p>{html.escape(shown.text)}</p>" if shown.text else ""},
            "from": sender,
            "attachments": [],
        }

    def _list(self, messages: list[Json], request: web.Request) -> web.Response:
        most = int(request.query.get("$top", "20"))
        if not 1 <= most <= 50:
            raise Refusal(400, "BadRequest", "The limit of '50' for Top query has been exceeded.")
        return self._page(messages, request, min(most, self.message_page))

    def _members(self, place: str, request: web.Request) -> web.Response:
        if place not in self.owners:
            raise Refusal(403, "Forbidden", "Missing role permissions on the request.")
        if "$top" in request.query and place.startswith("chats/"):
            raise Refusal(400, "BadRequest", "not supported")
        people = [
            {
                "@odata.type": "#microsoft.graph.aadUserConversationMember",
                "userId": each,
                "roles": ["owner"] if each in self.owners[place] else [],
                "visibleHistoryStartDateTime": self.since.get((place, each), "0001-01-01T00:00:00Z"),
            }
            for each in [*self.members.get(place, ()), *sorted(self.owners[place])]
        ]
        return self._page(people, request, self.page)

    def _page(self, found: list[Json], request: web.Request, most: int) -> web.Response:
        start = int(request.query.get("$skip", "0"))
        answer: Json = {"value": found[start : start + most]}
        if start + most < len(found):
            kept = "".join(f"&{name}={quote(value)}" for name, value in request.query.items() if name != "$skip")
            host = self.next_host or str(request.url.origin())
            answer["@odata.nextLink"] = f"{host}{request.raw_path.partition('?')[0]}?$skip={start + most}{kept}"
        return web.json_response(answer)


def _one(said: list[Json], message: str) -> web.Response:
    found = next((each for each in said if each["id"] == message), None)
    if found is None:
        raise Refusal(404, "NotFound", "no such message")
    return web.json_response(found)


def _written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
