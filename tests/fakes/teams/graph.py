"""Microsoft Graph, as far as a bot of Teams uses it: who owns a place, and files in it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from aiohttp import web

from tests.fakes.teams.checks import Refusal
from tests.fakes.teams.world import Json

if TYPE_CHECKING:
    from tests.fakes.teams.connector import Call
    from tests.fakes.teams.server import FakeTeams


class Graph:
    """`owners` are Entra ids by `teams/ID` or `chats/ID`; a place that is not there gave no permission."""

    def __init__(self, teams: FakeTeams) -> None:
        self._teams = teams
        self.owners: dict[str, set[str]] = {}
        self.members: dict[str, list[str]] = {}
        self.shares: dict[str, bytes] = {}  # files in SharePoint by their address
        self.hosted: dict[str, bytes] = {}  # pictures in messages by their path
        self.page = 2

    def serve(self, call: Call, request: web.Request, rest: list[str]) -> web.Response:
        if not self._teams.identity.accepts(call.authorization, graph=True):
            raise Refusal(401, "InvalidAuthenticationToken", "Access token is empty or for another audience.")
        match rest:
            case ["v1.0", ("teams" | "chats") as kind, identifier, "members"]:
                return self._members(f"{kind}/{identifier}", request)
            case ["v1.0", "shares", share, "driveItem", "content"]:
                encoded = share.removeprefix("u!")
                address = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
                if address not in self.shares:
                    raise Refusal(403, "accessDenied", "no permission")
                return web.Response(body=self.shares[address])
            case ["v1.0", *path] if "/".join(path).removesuffix("/$value") in self.hosted:
                return web.Response(body=self.hosted["/".join(path).removesuffix("/$value")], content_type="image/png")
            case _:
                raise Refusal(403, "Forbidden", "no permission")

    def _members(self, place: str, request: web.Request) -> web.Response:
        if place not in self.owners:
            raise Refusal(403, "Forbidden", "Missing role permissions on the request.")
        people = [*self.members.get(place, ()), *sorted(self.owners[place])]
        start = int(request.query.get("$skip", "0"))
        page: list[Json] = [
            {
                "@odata.type": "#microsoft.graph.aadUserConversationMember",
                "userId": each,
                "roles": ["owner"] if each in self.owners[place] else [],
            }
            for each in people[start : start + self.page]
        ]
        answer: Json = {"value": page}
        if start + self.page < len(people):
            answer["@odata.nextLink"] = f"{request.url.origin()}{request.path}?$skip={start + self.page}"
        return web.json_response(answer)
