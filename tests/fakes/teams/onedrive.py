"""A person's OneDrive, as far as a bot may write to it: sessions that take each byte once, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from tests.fakes.teams.checks import Refusal
from tests.fakes.teams.world import Json

if TYPE_CHECKING:
    from tests.fakes.teams.connector import Call
    from tests.fakes.teams.server import FakeTeams

_UNIT = 320 * 1024
_LARGEST = 60 * 1024 * 1024


@dataclass
class _Session:
    size: int = 0
    content: bytearray = field(default_factory=bytearray)


class OneDrive:
    """`files` are what has arrived, by the name of its session, once for each time that it was written whole."""

    def __init__(self, teams: FakeTeams) -> None:
        self._teams = teams
        self.files: dict[str, list[bytes]] = {}
        self._open: dict[str, _Session] = {}

    def session(self, name: str) -> Json:
        """What Teams passes on with a person's agreement: where to write, and where it will be."""
        self._open[name] = _Session()
        return {
            "uploadUrl": f"{self._teams.origin}/onedrive/{name}",
            "contentUrl": f"https://contoso-my.sharepoint.com/personal/ada/Documents/{name}",
            "name": name,
            "uniqueId": f"id-{name}",
            "fileType": name.rpartition(".")[2],
        }

    def end(self, name: str) -> None:
        """The time of a session is over."""
        del self._open[name]

    def serve(self, call: Call, request: web.Request, name: str) -> web.Response:
        if call.authorization:
            self._teams.leaks.append(f"a bearer token came to the upload of {name}")
        session = self._open.get(name)
        if session is None:
            raise Refusal(404, "itemNotFound", "The upload session was not found")
        if call.method == "GET":
            return web.json_response({"nextExpectedRanges": [f"{len(session.content)}-"]})
        if call.method != "PUT":
            raise Refusal(405, "invalidRequest", "PUT or GET")
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", request.headers.get("Content-Range", ""))
        if found is None or len(call.body) >= _LARGEST:
            raise Refusal(400, "invalidRequest", "a Content-Range is needed")
        first, last, size = (int(each) for each in found.groups())
        if last - first + 1 != len(call.body) or (session.size and size != session.size):
            raise Refusal(400, "invalidRequest", "the range is not what came")
        if first != len(session.content):
            raise Refusal(416, "invalidRange", "another range is expected")
        if last + 1 < size and len(call.body) % _UNIT:
            raise Refusal(400, "invalidRequest", "a piece has to be a multiple of 320 KiB")
        session.size = size
        session.content += call.body
        if len(session.content) < size:
            return web.json_response({"nextExpectedRanges": [f"{len(session.content)}-"]}, status=202)
        self.files.setdefault(name, []).append(bytes(session.content))
        del self._open[name]
        return web.json_response({"id": name, "size": size}, status=201)
