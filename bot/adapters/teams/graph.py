"""Microsoft Graph, as far as an owner of a team or a chat let the bot use it: who is where, and files in messages.

Each organisation that is served has a token of its own: what belongs to one is never asked for with another's.
"""

import asyncio
import base64
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import structlog
from yarl import URL

from bot.adapters.teams.bearer import Bearer, SignInFailed
from bot.adapters.teams.hosts import SHAREPOINT, parse
from bot.adapters.teams.newest import keep
from bot.adapters.teams.wire import Wire, read_limited

__all__ = ["TROUBLE", "Absent", "Denied", "Graph", "Json", "Member", "graph_root", "moment"]

log = structlog.get_logger(__name__)

Json = dict[str, Any]

_LARGEST = 8 * 1024 * 1024
_FRESH, _FRESH_REFUSAL = 60.0, 300.0  # seconds for which is believed what was found out about a person
_KEPT = 5000
_MOST_PAGES = 20
_MEMBERS = 999  # on a page
_WAIT = 4.0
_BUSY = (429, 502, 503, 504)
_PAUSE = 1.0  # seconds, where Graph does not say how long to wait
_ROOTS = {
    "login.microsoftonline.com": "https://graph.microsoft.com",
    "login.microsoftonline.us": "https://graph.microsoft.us",
    "login.partner.microsoftonline.cn": "https://microsoftgraph.chinacloudapi.cn",
}


class Denied(Exception):
    """Nobody has given the bot the right to this."""


class Absent(Exception):
    """There is no such thing."""


TROUBLE = (aiohttp.ClientError, OSError, ValueError, SignInFailed)  # what a request raises when it did not get through


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody's place in a team, a channel or a chat. `since` is from when on they may read a chat; None for all.

    `refused` says that the bot may not know who is there.
    """

    here: bool = False
    owner: bool = False
    since: datetime | None = None
    refused: bool = False


def graph_root(given: str, login_url: str) -> str:
    """Where Graph is: as configured, or what belongs to where the bot signs in; empty for not at all."""
    login = parse(login_url)
    return given or _ROOTS.get((login.host or "") if login else "", "")


class Graph:
    """Reads, and only from its own host. Without the permission everything is answered by no.

    `bearer_of` gives the token for an organisation.
    """

    def __init__(
        self, wire: Wire, bearer_of: Callable[[str], Bearer], root: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._wire = wire
        self.bearer_of = bearer_of
        self._root = URL(root.rstrip("/"))
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, str], tuple[float, Member]] = OrderedDict()
        self._asking: dict[tuple[str, str, str], asyncio.Task[Member | None]] = {}

    def trusts(self, url: URL) -> bool:
        """Whether this address is Graph's own."""
        return url.origin() == self._root.origin() and url.raw_path.startswith(self._root.raw_path.rstrip("/"))

    def content_of(self, url: URL) -> URL | None:
        """Where the bytes of a picture in a message, or of a file in SharePoint, are read; None for any other place."""
        if self.trusts(url):
            whole = url if url.path.endswith("/$value") else URL(f"{str(url).rstrip('/')}/$value", encoded=True)
            return whole if "/hostedContents/" in url.path and ".." not in url.raw_path else None
        if url.scheme != "https" or not (url.host or "").lower().endswith(SHAREPOINT):
            return None
        share = base64.urlsafe_b64encode(str(url).encode()).decode().rstrip("=")
        return URL(f"{self._root}/v1.0/shares/u!{share}/driveItem/content", encoded=True)

    # Who is where.

    def known(self, tenant: str, place: str, person: str) -> bool:
        """Whether somebody is known to own this place, as far as that is still believed."""
        until, member = self._known.get((tenant, place, person), (0.0, Member()))
        return member.owner and self._clock() < until

    async def owns(self, tenant: str, place: str, person: str) -> bool:
        """Whether a person (by Entra id) owns a place, such as `teams/ID` or `chats/ID`. In doubt, no."""
        member = await self.member(tenant, place, person)
        return member is not None and member.owner

    async def member(self, tenant: str, place: str, person: str, *, patience: float = 0.0) -> Member | None:
        """A person's (by Entra id) place in `teams/ID`, `teams/ID/channels/ID` or `chats/ID`; None when Graph does not
        say so in time. A busy Graph is asked again for `patience` seconds.
        """
        key = (tenant, place, person)
        until, member = self._known.get(key, (0.0, Member()))
        if self._clock() < until:
            return member
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(
                self._find_out(tenant, place, person, patience), name="teams members"
            )
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        done, _ = await asyncio.wait({task}, timeout=_WAIT)
        return task.result() if done and not task.cancelled() and task.exception() is None else None

    def ask_again(self) -> None:
        """The bot was added somewhere, perhaps with rights that it did not have there: believe no refusal any more."""
        for key in [key for key, (_, member) in self._known.items() if member.refused]:
            del self._known[key]

    async def close(self) -> None:
        """Ask nothing more."""
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _find_out(self, tenant: str, place: str, person: str, patience: float) -> Member | None:
        member, seconds = Member(), _FRESH
        try:
            member = await self._look_up(tenant, place, person, patience)
        except Absent:
            log.info("a place is not there for the bot")
        except Denied:
            member, seconds = Member(refused=True), _FRESH_REFUSAL
            log.warning(
                "the members of a place cannot be read",
                remedy="let its owner add the app again, with the permissions of its package",
            )
        except TROUBLE as error:
            log.warning("the members of a place could not be read", error=type(error).__name__)
            return None  # the next one asks again
        keep(self._known, (tenant, place, person), (self._clock() + seconds, member), _KEPT)
        return member

    async def _look_up(self, tenant: str, place: str, person: str, patience: float) -> Member:
        query = "" if place.startswith("chats/") else f"?$top={_MEMBERS}"
        path = f"{place_path(place)}/members{query}"
        async for page in self.pages(tenant, path, most=_MOST_PAGES, patience=patience):
            for each in page:
                if str(each.get("userId", "")).lower() == person.lower():
                    roles = each.get("roles")
                    owner = isinstance(roles, list) and "owner" in roles
                    return Member(here=True, owner=owner, since=moment(each.get("visibleHistoryStartDateTime")))
        return Member()

    # Requests.

    async def pages(self, tenant: str, path: str, *, most: int, patience: float = 0.0) -> AsyncIterator[list[Json]]:
        """The pages of a list, at most so many; raises as `get` does."""
        url: URL | None = self.address(path)
        for _ in range(most):
            assert url is not None
            found = await self.get(tenant, url, patience=patience)
            values = found.get("value")
            yield [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []
            following = found.get("@odata.nextLink")
            if not isinstance(following, str) or not following:
                return
            url = parse(following.replace(" ", "%20"))
            if url is None or not self.trusts(url):
                raise OSError("another host than Graph's")

    def address(self, path: str) -> URL:
        """The address of a path such as `chats/ID/messages?$top=50`, which is quoted already."""
        return URL(f"{self._root}/v1.0/{path}", encoded=True)

    async def get(self, tenant: str, url: URL, *, patience: float = 0.0) -> Json:
        """One object. A busy Graph is asked again for `patience` seconds.

        Raises `Denied`, `Absent`, or what `TROUBLE` names.
        """
        if not self.trusts(url):
            raise OSError("another host than Graph's")
        bearer, deadline, renewed = self.bearer_of(tenant), self._clock() + patience, False
        while True:
            token = await bearer.token()
            session = await self._wire.trusted()
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                body, status = await read_limited(response, _LARGEST), response.status
                wait = response.headers.get("Retry-After", "")
            if status == 401 and not renewed:
                renewed = True
                bearer.forget(token)
                continue
            if status in (401, 403):
                raise Denied
            if status == 404:
                raise Absent
            if status in _BUSY and self._clock() + (pause := _seconds(wait)) < deadline:
                await asyncio.sleep(pause)
                continue
            if status != 200:
                raise OSError(f"status {status}")
            found = orjson.loads(body)
            if not isinstance(found, dict):
                raise ValueError("no object")
            return found


def place_path(place: str) -> str:
    """A place such as `chats/ID` as a part of an address."""
    return "/".join(quote(each, safe="") for each in place.split("/"))


def moment(value: Any) -> datetime | None:
    """A point in time as Graph writes it; None for nothing, and for the beginning of all time."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None and found.year > 1 else None


def _seconds(value: str) -> float:
    try:
        return max(float(value), 0.05) if value else _PAUSE
    except ValueError:
        return _PAUSE
