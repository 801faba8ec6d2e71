"""Microsoft Graph, as far as an owner of a team or a chat let the bot use it: who owns a place, and files in it."""

import asyncio
import base64
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import structlog
from yarl import URL

from bot.adapters.teams.bearer import Bearer, SignInFailed
from bot.adapters.teams.hosts import parse
from bot.adapters.teams.wire import Wire, read_limited

__all__ = ["Graph", "graph_root"]

log = structlog.get_logger(__name__)

_LARGEST = 2 * 1024 * 1024
_FRESH, _FRESH_REFUSAL = 60.0, 300.0  # seconds for which is believed what was found out about a person
_KEPT = 5000
_MOST_PAGES = 20
_WAIT = 4.0
_ROOTS = {
    "login.microsoftonline.com": "https://graph.microsoft.com",
    "login.microsoftonline.us": "https://graph.microsoft.us",
    "login.partner.microsoftonline.cn": "https://microsoftgraph.chinacloudapi.cn",
}


def graph_root(given: str, login_url: str) -> str:
    """Where Graph is: as configured, or what belongs to where the bot signs in; empty for not at all."""
    login = parse(login_url)
    return given or _ROOTS.get((login.host or "") if login else "", "")


class Graph:
    """Reads, and only from its own host. Without the permission everything is answered by no."""

    def __init__(self, wire: Wire, bearer: Bearer, root: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._wire = wire
        self.bearer = bearer
        self._root = URL(root.rstrip("/"))
        self._clock = clock
        self._known: OrderedDict[tuple[str, str], tuple[float, bool]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[bool]] = {}

    def trusts(self, url: URL) -> bool:
        """Whether this address is Graph's own."""
        return url.origin() == self._root.origin() and url.raw_path.startswith(self._root.raw_path.rstrip("/"))

    def content_of(self, url: URL) -> URL | None:
        """Where the bytes of a picture in a message, or of a file in SharePoint, are read; None for any other place."""
        if self.trusts(url):
            whole = url if url.path.endswith("/$value") else URL(f"{str(url).rstrip('/')}/$value", encoded=True)
            return whole if "/hostedContents/" in url.path and ".." not in url.raw_path else None
        if url.scheme != "https" or not (url.host or "").lower().endswith((".sharepoint.com", ".sharepoint.us")):
            return None
        share = base64.urlsafe_b64encode(str(url).encode()).decode().rstrip("=")
        return URL(f"{self._root}/v1.0/shares/u!{share}/driveItem/content", encoded=True)

    def known(self, place: str, person: str) -> bool:
        """Whether somebody is known to own this place, as far as that is still believed."""
        until, owner = self._known.get((place, person), (0.0, False))
        return owner and self._clock() < until

    async def owns(self, place: str, person: str) -> bool:
        """Whether a person (by Entra id) owns a place, such as `teams/ID` or `chats/ID`. In doubt, no."""
        key = (place, person)
        until, owner = self._known.get(key, (0.0, False))
        if self._clock() < until:
            return owner
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._find_out(place, person), name="teams owners")
            task.add_done_callback(lambda _: self._asking.pop(key, None))
        done, _ = await asyncio.wait({task}, timeout=_WAIT)
        return bool(done) and not task.cancelled() and task.exception() is None and task.result()

    async def close(self) -> None:
        """Ask nothing more."""
        for task in list(self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    async def _find_out(self, place: str, person: str) -> bool:
        owner, seconds = False, _FRESH
        try:
            kind, _, identifier = place.partition("/")
            address = f"{self._root}/v1.0/{kind}/{quote(identifier, safe='')}/members"
            owner = await self._is_owner(address, person)
        except PermissionError:
            seconds = _FRESH_REFUSAL
            log.warning(
                "the owners of a place cannot be read",
                remedy="let its owner add the app again, with the permissions of its package",
            )
        except (aiohttp.ClientError, OSError, ValueError, SignInFailed) as error:
            log.warning("the owners of a place could not be read", error=type(error).__name__)
            return False  # the next one asks again
        self._known[place, person] = (self._clock() + seconds, owner)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return owner

    async def _is_owner(self, address: str, person: str) -> bool:
        for _ in range(_MOST_PAGES):
            page = await self._get(URL(address, encoded=True))
            for member in page.get("value") or ():
                if isinstance(member, dict) and str(member.get("userId", "")).lower() == person.lower():
                    return "owner" in (member.get("roles") or ())
            address = str(page.get("@odata.nextLink") or "")
            if not address:
                return False
        return False

    async def _get(self, url: URL) -> dict[str, Any]:
        if not self.trusts(url):
            raise OSError("another host than Graph's")
        for renewed in (False, True):
            token = await self.bearer.token()
            session = await self._wire.trusted()
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(url, headers=headers, allow_redirects=False) as response:
                body = await read_limited(response, _LARGEST)
                if response.status == 401 and not renewed:
                    self.bearer.forget(token)
                    continue
                if response.status in (401, 403):
                    raise PermissionError
                if response.status != 200:
                    raise OSError(f"status {response.status}")
                found = orjson.loads(body)
                if not isinstance(found, dict):
                    raise ValueError("no object")
                return found
        raise AssertionError("unreachable")
