"""Requests to one model server: tried again where that helps, changed where the server wants it otherwise."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson
import structlog

from bot.models.breaker import Breaker
from bot.models.connection import Connection, Key, Reply, Sender
from bot.models.errors import BadReply, ModelError, NotConfigured, Unavailable
from bot.models.faults import Fault, connection_fault, server_fault
from bot.models.profiles import Profile
from bot.models.provider import Role
from bot.models.quirks import Quirks

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["BrokenOff", "OtherRoad", "Wire", "next_block", "read_whole"]

Files = Sequence[tuple[str, tuple[str, bytes, str]]]  # of a form: (field, (file name, bytes, media type))

log = structlog.get_logger(__name__)

_PAUSES = (0.4, 0.9)  # seconds before the first and the second further attempt, more or less
_MOST_LESSONS = 4
_MOST_ERROR = 256 * 1024  # bytes
_DEPLOYED = (  # what belongs to one model in Azure's classic interface
    "/chat/completions",
    "/embeddings",
    "/images/generations",
    "/images/edits",
    "/audio/transcriptions",
    "/audio/speech",
)
_WANTS_RESPONSES = re.compile(r"(use|via|with|in) (the )?[`'\"]?/?(v1/)?responses\b", re.IGNORECASE)
_ALERT_AGAIN = 600.0  # seconds between two alerts about the same wrong key


class Wire:
    """The way to one server. `post` returns a response whose status is good and whose body is still to be read."""

    def __init__(self, profile: Profile, key: Key, connection: Connection) -> None:
        self.profile = profile
        self.breaker = Breaker()
        self._key = key
        self._connection = connection
        self._client: AsyncOpenAI | None = None
        self._sender: Sender | None = None
        self._lessons = connection.lessons
        self._alerted = float("-inf")
        parts = urlsplit(profile.base_url)
        self._host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    async def open(self) -> "AsyncOpenAI":
        if self._client is None:
            self._client = await self._connection.client(self.profile, self._key)
            self._sender = self._connection.sender(self._client, self.profile, self._key)
        return self._client

    async def post(
        self,
        path: str,
        body: dict[str, Any],
        *,
        role: Role,
        first: float,
        until: float,
        retries: int = 2,
        files: Files = (),
    ) -> tuple[Reply, float]:
        """Post `body`, as JSON or with `files` as a form.

        Every attempt may take `first` seconds to its headers, all together until the loop's time `until`. Returns the
        response and the time until which its first piece is due. Raises a `ModelError`, and `OtherRoad` where a chat
        has to be asked for in the other way.
        """
        model = str(body["model"])
        quirks = self.quirks(model)
        lessons = tried = 0
        while True:
            if self.breaker.open:
                raise Unavailable(self.profile.spoken)
            asked = quirks.apply(body)
            due = min(asyncio.get_running_loop().time() + first, until)
            answer = await self._try(path, asked, model, role, due, files)
            if not isinstance(answer, Fault):
                self.breaker.worked()
                return answer, due
            if self._leads_elsewhere(path, answer, quirks):
                raise OtherRoad
            if (
                self._may_learn(answer, asked)
                and lessons < _MOST_LESSONS
                and quirks.learn(path, asked, answer.param, answer.text)
            ):
                lessons += 1
                self._lessons.learned(quirks)
                continue
            self._report(answer, model, path)
            pause = _PAUSES[min(tried, len(_PAUSES) - 1)] * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
            if not answer.again or tried >= retries or asyncio.get_running_loop().time() + pause > until:
                raise answer.error
            tried += 1
            await asyncio.sleep(pause)

    async def _try(
        self,
        path: str,
        body: dict[str, Any],
        model: str,
        role: Role,
        due: float,
        files: Files,
    ) -> Reply | Fault:
        from openai import APIConnectionError, APIStatusError, OpenAIError

        client = await self.open()
        try:
            async with asyncio.timeout_at(due) as waiting:
                if self._sender and not files:
                    response = await self._sender.post(path, orjson.dumps(body))
                    if response.status_code == 200:
                        return response
                    told, headers = await _error_of(response, due)
                    return server_fault(self.profile, model, role, response.status_code, told, headers)
                return await self._post(client, path, body, files)
        except TimeoutError as error:
            if waiting.expired():
                return Fault(Unavailable(self.profile.spoken, late=True), code="no answer in time")
            return connection_fault(self.profile, error)
        except APIStatusError as error:
            return server_fault(self.profile, model, role, error.status_code, error.body, error.response.headers)
        except APIConnectionError as error:
            return connection_fault(self.profile, error.__cause__ or error)
        except ModelError as error:  # there is no token to sign in with
            return Fault(error, code=type(error).__name__)
        except OpenAIError as error:
            return connection_fault(self.profile, error)
        except _wire_errors() as error:
            return connection_fault(self.profile, error)

    async def _post(self, client: "AsyncOpenAI", path: str, body: dict[str, Any], files: Files) -> Reply:
        """By way of the library: forms, tokens that have to be asked for, Azure's classic interface."""
        import httpx2
        from openai import AsyncStream

        if self.profile.api_version and path in _DEPLOYED:  # the library would do it for bodies that it writes itself
            path = f"/deployments/{quote(str(body['model']), safe='')}{path}"
        request: dict[str, Any] = {"content": orjson.dumps(body)}
        if files:
            request = {
                "body": {key: _field(value) for key, value in body.items()},
                "files": list(files),
                "options": {"headers": {"Content-Type": "multipart/form-data"}},
            }
        answer: Any = await client.post(
            path, cast_to=httpx2.Response, stream=True, stream_cls=AsyncStream[object], **request
        )
        response: Reply = answer
        return response

    async def ask(
        self,
        path: str,
        body: dict[str, Any],
        *,
        role: Role,
        seconds: float,
        most: int,
        retries: int = 2,
        files: Files = (),
    ) -> tuple[bytes, Reply]:
        """Post, and read the whole answer of at most `most` bytes, all within `seconds`. Raises a `ModelError`."""
        until = asyncio.get_running_loop().time() + seconds
        response, _ = await self.post(path, body, role=role, first=seconds, until=until, retries=retries, files=files)
        return await self.whole(response, until, most), response

    async def ask_object(
        self,
        path: str,
        body: dict[str, Any],
        *,
        role: Role,
        seconds: float,
        most: int,
        retries: int = 2,
        files: Files = (),
    ) -> dict[str, Any]:
        """The same, for an answer that is a JSON object."""
        told, _ = await self.ask(path, body, role=role, seconds=seconds, most=most, retries=retries, files=files)
        return self.object_of(told, str(body["model"]), role)

    def object_of(self, told: bytes, model: str, role: Role) -> dict[str, Any]:
        """The JSON object in `told`. Raises `BadReply`, or the error that it reports."""
        try:
            answer = orjson.loads(told)
        except ValueError:
            raise BadReply from None
        if not isinstance(answer, dict):
            raise BadReply
        if answer.get("error"):
            raise server_fault(self.profile, model, role, 0, answer).error
        return answer

    async def whole(self, response: Reply, until: float, most: int) -> bytes:
        """The body of a response, which is closed then. Raises a `ModelError`."""
        try:
            return await read_whole(response, until, most)
        except TimeoutError:
            raise Unavailable(self.profile.spoken, late=True) from None
        except ValueError:
            raise BadReply from None
        except BrokenOff as error:
            log.warning("model broke off", provider=self.profile.name, reason=str(error))
            raise Unavailable(self.profile.spoken) from None
        finally:
            await response.aclose()

    def quirks(self, model: str) -> Quirks:
        """What is known of one model."""
        return self._lessons.of(self.profile.base_url, model)

    def _leads_elsewhere(self, path: str, fault: Fault, quirks: Quirks) -> bool:
        """Whether a chat is to be asked for at `/responses` from now on, or no longer."""
        if quirks.responses is not None:
            return False
        if path == "/chat/completions" and fault.status == 400 and _WANTS_RESPONSES.search(fault.text):
            quirks.responses = True
        elif path == "/responses" and fault.status in (404, 405, 501):
            quirks.responses = False
        else:
            return False
        self._lessons.learned(quirks)
        log.info("model quirk learned", what="responses", used=quirks.responses)
        return True

    @staticmethod
    def _may_learn(fault: Fault, body: dict[str, Any]) -> bool:
        if fault.status in (400, 422):
            return True
        text = fault.text.lower()
        return (fault.status == 500 and "template" in text) or (
            "tools" in body and fault.status in (404, 500, 501) and "tool" in text
        )

    def _report(self, fault: Fault, model: str, path: str) -> None:
        facts = {"host": self._host, "path": path, "model": model, "status": fault.status, "code": fault.code}
        now = asyncio.get_running_loop().time()
        if isinstance(fault.error, NotConfigured) and fault.status in (401, 403):
            if now - self._alerted < _ALERT_AGAIN:
                return
            self._alerted = now
            log.error("model server does not accept the key", setting=self.profile.key_name, **facts)
        else:
            log.warning("model call failed", says=type(fault.error).__name__, **facts)
        if isinstance(fault.error, Unavailable) and self.breaker.failed():
            log.error("model server is left alone for a while", host=self._host)


class OtherRoad(Exception):
    """This chat has to be asked for in the other way; which, is remembered for the model by now."""


class BrokenOff(Exception):
    """The connection ended in the middle of an answer; the text is what kind of end it was."""


async def next_block(blocks: AsyncIterator[bytes], until: float) -> bytes | None:
    """The next bytes, `None` at the end. Raises `TimeoutError` when none come until then, and `BrokenOff`."""
    if asyncio.get_running_loop().time() >= until:
        raise TimeoutError
    try:
        async with asyncio.timeout_at(until):
            return await anext(blocks, None)
    except TimeoutError:
        raise
    except _wire_errors() as error:
        raise BrokenOff(type(error).__name__) from error


async def read_whole(response: Reply, until: float, most: int) -> bytes:
    """The body of a response that is not a stream. Raises as `next_block` does, and `ValueError` above `most` bytes."""
    blocks = response.aiter_bytes()
    body = bytearray()
    while (block := await next_block(blocks, until)) is not None:
        body += block
        if len(body) > most:
            raise ValueError("too long")
    return bytes(body)


async def _error_of(response: Reply, until: float) -> tuple[Any, Mapping[str, str]]:
    """What a server says with an error status, read as JSON where it is such, and the headers."""
    try:
        body = await read_whole(response, until, _MOST_ERROR)
    except (ValueError, BrokenOff):
        body = b""
    finally:
        await response.aclose()
    try:
        return orjson.loads(body), response.headers
    except ValueError:
        return body.decode("utf-8", "replace"), response.headers


def _field(value: Any) -> Any:
    """A value of a form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, list) else str(value)


def _wire_errors() -> tuple[type[Exception], ...]:
    """Whatever the libraries below may raise when a connection fails. Loaded by the time one can."""
    import aiohttp
    import anyio
    import httpx2

    return (aiohttp.ClientError, httpx2.HTTPError, anyio.EndOfStream, OSError)
