"""Files that people sent: the bot's token goes only to Teams' own hosts, and never along with a redirect."""

import asyncio
from collections.abc import Callable

import aiohttp
import structlog
from yarl import URL

from bot.adapters.teams.attached import DOWNLOAD, GRAPH, SERVICE, VOICE
from bot.adapters.teams.bearer import Bearer, SignInFailed
from bot.adapters.teams.graph import Graph
from bot.adapters.teams.hosts import Hosts, parse
from bot.adapters.teams.wire import Wire, read_limited
from bot.errors import UserError
from bot.messages import Attachment

__all__ = ["Downloads"]

log = structlog.get_logger(__name__)

_DEADLINE = 20.0  # seconds until the first byte, and for a small file
_LEAST_PACE = 500_000  # bytes in a second, below which a large one is not waited for
_NOT_ALLOWED = (
    "Teams does not let me read “{}” here. Send it to me in a personal chat, or ask whoever runs this bot to let it "
    "read the files of this team (see “Permissions” in its Teams guide)."
)
_NO_VOICE = (
    "Teams does not pass its own voice messages on to bots. Please record it another way, and send me the sound file "
    "in a personal chat."
)
_SIGN_IN = "Teams gives out a sign-in page instead of “{}”: its link is over. Please send the file again."
_MOST_HOPS = 3
_SLOW = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=5)


class Downloads:
    """Reads received attachments."""

    def __init__(self, wire: Wire, hosts: Hosts, bearer: Bearer | None, graph: Graph | None = None) -> None:
        self._wire = wire
        self._hosts = hosts
        self._bearer = bearer
        self._graph = graph

    async def read(self, attachment: Attachment, limit: int, tenant: str) -> bytes:
        """The bytes of a file from a tenant. Raises `UserError` above `limit` bytes and when it cannot be had."""
        name = attachment.name
        if attachment.source == VOICE:
            raise UserError(_NO_VOICE)
        own, kept = attachment.source.startswith(SERVICE), attachment.source.startswith(GRAPH)
        url = parse(attachment.source.removeprefix(GRAPH if kept else SERVICE if own else DOWNLOAD))
        if kept:
            url = self._graph.content_of(url) if self._graph is not None and url is not None else None
            if url is None:
                raise UserError(_NOT_ALLOWED.format(name))
        if url is None:
            raise UserError(f"Teams gave no address for “{name}” that can be read. Please send it again.")
        try:
            async with asyncio.timeout(_DEADLINE) as deadline:
                bearer = self._graph.bearer_of(tenant) if kept and self._graph else self._bearer if own else None
                trusts = self._graph.trusts if kept and self._graph else self._hosts.trusts
                status, body = await self._get(url, bearer, trusts, deadline, attachment, limit)
        except TimeoutError:
            raise UserError(f"“{name}” did not arrive in time. Please send it again, or something smaller.") from None
        except _SignInPage:
            raise UserError(_SIGN_IN.format(name)) from None
        except _TooLarge:
            megabytes = f"{limit / 1_000_000:.1f}".removesuffix(".0")
            raise UserError(f"“{name}” is larger than {megabytes} MB. Please send something smaller.") from None
        except (aiohttp.ClientError, OSError, SignInFailed) as error:
            log.warning("a file could not be fetched", host=url.host, error=type(error).__name__)
            raise UserError(f"“{name}” could not be fetched from Teams just now. Please try again.") from None
        if kept and status in (401, 403):
            raise UserError(_NOT_ALLOWED.format(name))
        if status in (401, 403, 404, 410):
            raise UserError(f"Teams no longer gives out “{name}”. Please send it again.")
        if status != 200:
            log.warning("a file could not be fetched", host=url.host, status=status)
            raise UserError(f"“{name}” could not be fetched from Teams just now. Please try again.")
        if not body:
            raise UserError(f"“{name}” is empty. Please send it again.")
        return body

    async def _get(
        self,
        url: URL,
        bearer: Bearer | None,
        trusts: Callable[[URL], bool],
        deadline: asyncio.Timeout,
        attachment: Attachment,
        limit: int,
    ) -> tuple[int, bytes]:
        renewed = False
        hops = 0
        while True:
            trusted = trusts(url) or self._hosts.trusts(url)
            if not trusted and url.scheme != "https":
                raise OSError("files are fetched over https only")
            headers = {"Accept-Encoding": "identity"}
            token = ""
            if bearer is not None and trusts(url):
                token = await bearer.token()
                headers["Authorization"] = f"Bearer {token}"
            session = await (self._wire.trusted() if trusted else self._wire.outside())
            async with session.get(url, headers=headers, allow_redirects=False, timeout=_SLOW) as response:
                if response.status in (301, 302, 303, 307, 308) and hops < _MOST_HOPS:
                    following = parse(str(url.join(URL(response.headers.get("Location", "")))))
                    if following is None:
                        raise OSError("redirected to nowhere")
                    url, bearer, hops = following, None, hops + 1
                    continue
                if response.status == 401 and token and bearer is not None and not renewed:
                    renewed = True
                    bearer.forget(token)
                    continue
                if response.status != 200:
                    return response.status, b""
                size = response.content_length or 0
                if size > limit:
                    raise _TooLarge
                if response.content_type == "text/html" and not _is_page(attachment):
                    raise _SignInPage
                deadline.reschedule(asyncio.get_running_loop().time() + _DEADLINE + size / _LEAST_PACE)
                try:
                    return 200, await read_limited(response, limit)
                except ValueError:
                    raise _TooLarge from None


def _is_page(attachment: Attachment) -> bool:
    return attachment.media_type in ("text/html", "application/xhtml+xml", "application/octet-stream")


class _TooLarge(Exception):
    pass


class _SignInPage(Exception):
    """Whoever has no right to a file any more is asked to sign in, with a page in its place."""
