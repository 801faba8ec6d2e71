"""The connector: what a bot may call on its conversations, checked as strictly as Teams documents it."""

from __future__ import annotations

import asyncio
import json
import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from tests.fakes.teams.checks import Refusal, check_activity, read_activity
from tests.fakes.teams.faults import Fault
from tests.fakes.teams.streams import info_of, stream
from tests.fakes.teams.world import Conversation, Json, Shown, new_id

if TYPE_CHECKING:
    from tests.fakes.teams.server import FakeTeams


@dataclass
class Call:
    """One request, as it came and as it was answered. `authorization` is the whole header."""

    method: str
    path: str
    authorization: str
    body: bytes
    at: float = field(default_factory=time.monotonic)
    status: int = 0  # 0 when the connection was cut instead

    @property
    def json(self) -> Json:
        return json.loads(self.body) if self.body else {}

    def line(self) -> str:
        return f"{self.method} {self.path} → {self.status or 'cut'}"


class Connector:
    """Serves the calls; `serve` is the one way in, for every path of the loopback Teams."""

    def __init__(self, teams: FakeTeams) -> None:
        self._teams = teams

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        call = Call(request.method, unquote(request.raw_path), request.headers.get("Authorization", ""), body)
        self._teams.calls.append(call)
        fault = self._teams.faults.take(call.method, call.path)
        try:
            response = await self._suffer(fault, request, call)
        finally:
            self._teams.tell()
        call.status = response.status
        return response

    async def _suffer(self, fault: Fault | None, request: web.Request, call: Call) -> web.StreamResponse:
        if fault is None:
            return await self._answer(request, call)
        if fault.held is not None and not fault.after:
            await fault.held.wait()
        effect = await self._answer(request, call) if fault.after else None
        if fault.held is not None and fault.after:
            self._teams.tell()
            await fault.held.wait()
        if fault.drop:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(0)
            return web.Response(status=499)
        if fault.status is not None:
            return web.json_response(fault.body, status=fault.status, headers=fault.headers)
        return effect or await self._answer(request, call)

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        try:
            return await self._route(request, call)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)

    async def _route(self, request: web.Request, call: Call) -> web.StreamResponse:
        teams = self._teams
        parts = [unquote(part) for part in request.url.raw_path.strip("/").split("/")]
        match (call.method, *parts):
            case ("GET", "v1", ".well-known", "openidconfiguration"):
                return teams.identity.metadata(request)
            case ("GET", "v1", ".well-known", "keys"):
                return teams.identity.keys(request)
            case ("POST", tenant, "oauth2", "v2.0", "token"):
                return await teams.identity.token(request, tenant)
            case ("GET", "sharepoint", file_id, _):
                if call.authorization:
                    teams.leaks.append(f"a bearer token came to the download of {file_id}")
                    raise Refusal(400, "BadRequest", "no token is wanted here")
                return self._file(file_id)
            case (_, "onedrive", name):
                return teams.onedrive.serve(call, request, name)
            case ("GET", "metadata", "identity", "oauth2", "token"):
                return teams.identity.machine(request)
            case (_, "graph", *rest):
                return teams.graph.serve(call, request, rest)
            case (_, place, "v3", *rest) if place == teams.place:
                self._check_token(call)
                return self._connector(call, request.content_type, rest)
            case _:
                raise Refusal(404, "NotFound", f"nothing at {call.path}")

    def _check_token(self, call: Call) -> None:
        teams = self._teams
        if teams.anonymous:
            if call.authorization:
                teams.leaks.append(f"a token came to {call.path} from a bot without credentials")
            return
        if not teams.identity.accepts(call.authorization):
            raise Refusal(401, "Unauthorized", "Authorization has been denied for this request.")

    def _connector(self, call: Call, content_type: str, rest: list[str]) -> web.Response:
        match (call.method, *rest):
            case ("GET", "attachments", file_id, "views", "original"):
                return self._file(file_id)
            case ("GET", "attachments", file_id):
                file = self._teams.files.get(file_id)
                if file is None:
                    raise Refusal(404, "NotFound", "no such attachment")
                views = [{"viewId": "original", "size": len(file.data)}]
                return web.json_response({"name": file.name, "type": file.media_type, "views": views})
            case ("POST", "conversations"):
                return self._create(read_activity(call.body, content_type))
            case ("GET", "teams", team_id):
                return web.json_response({"id": team_id, "name": "A team", "aadGroupId": self._teams.group_of(team_id)})
            case ("GET", "teams", team_id, "conversations"):
                return web.json_response({"conversations": self._teams.channels_of(team_id)})
            case ("GET", "conversations", conversation_id, "pagedmembers"):
                members = self._conversation(conversation_id, counted=False).members
                return web.json_response({"members": [member.account for member in members]})
            case ("POST", "conversations", conversation_id, "activities"):
                return self._send(conversation_id, "", read_activity(call.body, content_type))
            case ("POST", "conversations", conversation_id, "activities", answers):
                return self._send(conversation_id, answers, read_activity(call.body, content_type))
            case ("PUT", "conversations", conversation_id, "activities", message_id):
                return self._edit(conversation_id, message_id, read_activity(call.body, content_type))
            case ("DELETE", "conversations", conversation_id, "activities", message_id):
                conversation = self._conversation(conversation_id)
                conversation.shown.remove(self._own(conversation, message_id))
                return web.json_response({})
            case ("GET", "conversations", conversation_id, "members"):
                members = self._conversation(conversation_id, counted=False).members
                return web.json_response([member.account for member in members])
            case ("GET", "conversations", conversation_id, "members", member_id):
                members = self._conversation(conversation_id, counted=False).members
                found = next((each for each in members if member_id in (each.id, each.aad)), None)
                if found is None:
                    raise Refusal(404, "MemberNotFoundInConversation", "no such member")
                return web.json_response(found.account)
            case _:
                raise Refusal(405, "MethodNotAllowed", f"{call.method} is not known at {call.path}")

    def _conversation(self, conversation_id: str, *, counted: bool = True) -> Conversation:
        conversation = self._teams.conversations.get(conversation_id) or self._thread_below(conversation_id)
        if conversation is None:
            raise Refusal(404, "ConversationNotFound", "Conversation not found.")
        if not conversation.has_bot:
            raise Refusal(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.")
        wait = self._teams.rates.take(conversation_id) if counted else 0
        if wait:
            headers = {"Retry-After": str(math.ceil(wait))}
            self._teams.throttled += 1
            raise Refusal(429, "RateLimit", "API calls quota exceeded!", headers)
        return conversation

    def _thread_below(self, conversation_id: str) -> Conversation | None:
        """The thread that begins with a post in a channel: there is one below each."""
        channel_id, _, root = conversation_id.partition(";messageid=")
        channel = self._teams.conversations.get(channel_id)
        if channel is None or channel.find(root) is None:
            return None
        thread = replace(channel, id=conversation_id, shown=channel.shown, known=channel.known)
        self._teams.conversations[conversation_id] = thread
        return thread

    def _create(self, wanted: Json) -> web.Response:
        """The chat of a person with the bot: the one that there is, if they have added it."""
        (member,) = wanted["members"]
        if wanted.get("tenantId") not in self._teams.tenants or (wanted.get("bot") or {}).get("id") is None:
            raise Refusal(400, "BadArgument", "bot and tenantId are needed")
        for each in self._teams.conversations.values():
            if each.kind == "personal" and each.members[0].id == member["id"] and each.has_bot:
                return web.json_response({"id": each.id, "activityId": None}, status=201)
        raise Refusal(403, "ForbiddenOperationException", "The bot is not installed in user's personal scope")

    def _send(self, conversation_id: str, answers: str, activity: Json) -> web.Response:
        conversation = self._conversation(conversation_id)
        check_activity(activity, conversation, self._teams.bot_account)
        if answers and answers not in conversation.known:
            raise Refusal(404, "ActivityNotFoundInConversation", "what is replied to was never said here")
        info = info_of(activity)
        if info is not None:
            name = str(self._teams.bot_account["name"])
            return stream(conversation, activity, info, name, self._teams.stream_seconds, answers)
        if activity["type"] == "typing":
            conversation.typings += 1
            return web.json_response({"id": new_id()}, status=201)
        text, attached = activity.get("text") or "", activity.get("attachments") or []
        if text and attached:  # Teams makes two messages of it, and gives no id for either
            self._show(conversation, answers, {**activity, "attachments": []}, text)
            self._show(conversation, answers, {**activity, "text": ""}, "")
            return web.json_response({}, status=201)
        return web.json_response({"id": self._show(conversation, answers, activity, text).id}, status=201)

    def _show(self, conversation: Conversation, answers: str, activity: Json, text: str) -> Shown:
        name = str(self._teams.bot_account["name"])
        shown = Shown(new_id(), name, True, activity, [text], answers)
        conversation.add(shown)
        return shown

    def _edit(self, conversation_id: str, message_id: str, activity: Json) -> web.Response:
        conversation = self._conversation(conversation_id)
        shown = self._own(conversation, message_id)
        check_activity(activity, conversation, self._teams.bot_account, editing=message_id)
        if message_id in conversation.streams:
            conversation.streams[message_id].ended = "Content stream is not allowed: already completed"
        shown.activity = activity
        shown.states.append(activity.get("text") or "")
        return web.json_response({"id": message_id})

    def _own(self, conversation: Conversation, message_id: str) -> Shown:
        shown = conversation.find(message_id)
        if shown is None:
            raise Refusal(404, "ActivityNotFoundInConversation", "no such message")
        if not shown.by_bot:
            raise Refusal(403, "Forbidden", "a bot changes only what it wrote itself")
        return shown

    def _file(self, file_id: str) -> web.Response:
        file = self._teams.files.get(file_id)
        if file is None:
            raise Refusal(404, "NotFound", "no such file")
        return web.Response(body=file.data, content_type=file.media_type)
