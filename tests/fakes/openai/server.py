"""The server itself."""

import asyncio
import base64
import inspect
import itertools
import json
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.openai import schemas
from tests.fakes.openai.answers import (
    Calls,
    completion_of,
    echo,
    flat_png,
    pictures_in,
    spoken,
    subtitles,
    usage_of,
    vector_of,
)
from tests.fakes.openai.faults import Fault
from tests.fakes.openai.recording import record
from tests.fakes.openai.schemas import BadRequest
from tests.fakes.openai.streams import call_deltas, chunks_of, picture_events, pieces_of, responses_events

__all__ = ["Call", "FakeOpenAI", "Upload"]

MODELS = (
    "gpt-6-luna",
    "gpt-image-2.6-flare",
    "gpt-transcribe",
    "gpt-4o-mini-tts",
    "text-embedding-3-small",
    "omni-moderation-latest",
)
Said = str | Calls


@dataclass(frozen=True)
class Upload:
    """A file of a form."""

    name: str
    content_type: str
    data: bytes


@dataclass
class Call:
    """One request as it came. `body` is its JSON, or the text fields of its form; `files` the files of a form, by
    field, the last of each, `uploads` all of them; `peer` the address that it came from, the same for all that came
    over one connection; `status` what was answered.

    `ended` is set when the answer was over; `left` tells that the client went away before that.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None
    files: dict[str, Upload] = field(default_factory=dict)
    uploads: list[tuple[str, Upload]] = field(default_factory=list)
    peer: str = ""
    status: int = 0
    left: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation of a chat call."""
        return list(self.body["messages"])

    @property
    def pictures(self) -> list[bytes]:
        """The pictures in the conversation of a chat call."""
        return pictures_in(self.messages)


class FakeOpenAI:
    """Use it as `async with FakeOpenAI() as openai`. `url` ends in `/v1`; requests need `key`, unless it is empty.

    `models` are its names; asking for another one is a 404. `calls` has every request, in order. `drawing` is the
    picture it draws (by default one of the size that was asked for), `transcript` what it hears, with `segments` where
    those are wanted and `hearing` besides, `screen` the categories it finds in a text and its pictures.

    With `RECORD_CALLS` in the environment every call is also written to `openai-*.jsonl` in that folder, to be held
    against the official description of the interface; `record=False` is for calls that are wrong on purpose.
    """

    def __init__(
        self, *, key: str = "sk-fake-0123456789", models: tuple[str, ...] = MODELS, port: int = 0, record: bool = True
    ) -> None:
        self.key = key
        self.models = models
        self.calls: list[Call] = []
        self.drawing: bytes | None = None
        self.transcript: str = "hello from a voice note"
        self.segments: list[dict[str, Any]] = []
        self.hearing: dict[str, Any] = {}
        self.screen: Callable[[str, list[bytes]], list[str]] = lambda text, _: ["violence"] * ("forbidden" in text)
        self.listing: dict[str, Any] | None = None
        self.url = ""
        self._port = port
        self._record = Path(os.environ["RECORD_CALLS"]) if record and "RECORD_CALLS" in os.environ else None
        self._answer: Said | Callable[[list[dict[str, Any]]], Said] = echo
        self._faults: list[tuple[str, Fault]] = []
        self._files: dict[str, bytes] = {}
        self._numbers = itertools.count(1)
        self._news = asyncio.Condition()
        self._let_go = math.inf
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def reply_with(self, answer: Said | Callable[[list[dict[str, Any]]], Said]) -> None:
        """From now on, answer every chat with this, or with what this function makes of the messages."""
        self._answer = answer

    def fail_with(self, fault: Fault, *, times: int = 1, path: str = "/chat/completions") -> None:
        """Let the next `times` calls of `path` fail this way. Faults of one path happen in the order given."""
        self._faults.extend([(path, fault)] * times)

    def hold(self) -> None:
        """From now on, every piece of text waits for `release`."""
        self._let_go = 0.0

    async def release(self, pieces: float = math.inf) -> None:
        """Let this many more pieces of text go; by default all there will be."""
        async with self._news:
            self._let_go += pieces
            self._news.notify_all()

    async def called(self, times: int = 1, *, path: str = "/chat/completions") -> Call:
        """Wait until `path` has been called this often; returns that call."""
        async with self._news, asyncio.timeout(10):
            await self._news.wait_for(lambda: len(self.of(path)) >= times)
        return self.of(path)[times - 1]

    def of(self, path: str = "/chat/completions") -> list[Call]:
        """The calls of one path."""
        return [call for call in self.calls if call.path == path]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/v1/audio/speech", self._speech)
        app.router.add_post("/v1/images/generations", self._images)
        app.router.add_post("/v1/images/edits", self._edits)
        app.router.add_post("/v1/audio/transcriptions", self._transcriptions)
        app.router.add_post("/v1/embeddings", self._embeddings)
        app.router.add_post("/v1/moderations", self._moderations)
        app.router.add_get("/files/{name}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        await self.release()
        if self._runner:
            await self._runner.cleanup()

    async def _models(self, request: web.Request) -> web.StreamResponse:
        entries = [{"id": name, "object": "model", "created": 1, "owned_by": "fake"} for name in self.models]
        return await self._serve(request, lambda call: self._json(self.listing or {"object": "list", "data": entries}))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        async def answer(call: Call, fault: Fault | None) -> web.StreamResponse:
            schemas.check_chat(call.body)
            self._know(call.body["model"])
            said = self._answer(call.messages) if callable(self._answer) else self._answer
            streamed = call.body.get("stream") and not (fault and fault.kind == "not_streamed")
            if not streamed:
                return self._json(completion_of(call.body, said, fault))
            return await self._stream(request, call, said, fault)

        return await self._serve(request, answer)

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        async def answer(call: Call) -> web.StreamResponse:
            schemas.check_responses(call.body)
            self._know(call.body["model"])
            said = self._answer(call.body["input"]) if callable(self._answer) else self._answer
            return await _send_events(request, responses_events(call.body, said))

        return await self._serve(request, answer)

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        def answer(call: Call) -> web.StreamResponse:
            schemas.check_speech(call.body)
            self._know(call.body["model"])
            sound, media_type = spoken(call.body.get("response_format", "mp3"))
            return web.Response(body=sound, content_type=media_type)

        return await self._serve(request, answer)

    async def _images(self, request: web.Request) -> web.StreamResponse:
        async def answer(call: Call) -> web.StreamResponse:
            schemas.check_image(call.body)
            self._know(call.body.get("model", "dall-e-2"))
            return await self._draw(request, call.body, "image_generation")

        return await self._serve(request, answer)

    async def _edits(self, request: web.Request) -> web.StreamResponse:
        async def answer(call: Call) -> web.StreamResponse:
            whole = {key: int(call.body[key]) for key in ("n", "partial_images") if key in call.body}
            wanted = {
                **call.body,
                **whole,
                **({"stream": call.body["stream"] == "true"} if "stream" in call.body else {}),
            }
            schemas.check_edit(wanted, [field for field, _ in call.uploads])
            self._know(call.body.get("model", "dall-e-2"))
            return await self._draw(request, wanted, "image_edit")

        return await self._serve(request, answer)

    async def _draw(self, request: web.Request, body: dict[str, Any], kind: str) -> web.StreamResponse:
        answer = self._drawn(body)
        if body.get("stream"):
            return await _send_events(request, picture_events(answer, body.get("partial_images", 0), kind))
        return self._json(answer)

    async def _transcriptions(self, request: web.Request) -> web.StreamResponse:
        def answer(call: Call) -> web.StreamResponse:
            if "file" not in call.files:
                raise BadRequest("Missing required parameter: 'file'.", "file", "missing_required_parameter")
            schemas.check_transcription(call.body, call.files["file"].name, call.files["file"].data)
            self._know(call.body["model"])
            wanted = call.body.get("response_format", "json")
            if wanted == "text":
                return web.Response(text=self.transcript + "\n")
            if wanted in ("srt", "vtt"):
                return web.Response(text=subtitles(self.segments, wanted))
            told: dict[str, Any] = {"text": self.transcript, "usage": {"type": "duration", "seconds": 3}}
            if wanted in ("verbose_json", "diarized_json"):
                told |= {"task": "transcribe", "duration": 3.0, "segments": self.segments}
            if wanted == "verbose_json":
                told["language"] = "english"
            return self._json(told | self.hearing)

        return await self._serve(request, answer)

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        def answer(call: Call) -> web.StreamResponse:
            schemas.check_embeddings(call.body)
            self._know(call.body["model"])
            texts = [call.body["input"]] if isinstance(call.body["input"], str) else call.body["input"]
            packed = call.body.get("encoding_format") == "base64"
            entries = [
                {"object": "embedding", "index": index, "embedding": vector_of(each, packed)}
                for index, each in enumerate(texts)
            ]
            tokens = sum(len(each.split()) for each in texts)
            usage = {"prompt_tokens": tokens, "total_tokens": tokens}
            return self._json({"object": "list", "model": call.body["model"], "data": entries[::-1], "usage": usage})

        return await self._serve(request, answer)

    async def _moderations(self, request: web.Request) -> web.StreamResponse:
        def answer(call: Call) -> web.StreamResponse:
            schemas.check_moderation(call.body)
            self._know(call.body.get("model", "omni-moderation-latest"))
            given = call.body["input"] if isinstance(call.body["input"], list) else [call.body["input"]]
            if isinstance(given[0], dict):  # the parts of one thing
                given = [given]
            results = []
            for each in given:
                parts = each if isinstance(each, list) else [{"type": "text", "text": each}]
                text = " ".join(part["text"] for part in parts if part["type"] == "text")
                found = self.screen(text, pictures_in([{"content": parts}]))
                categories = {name: name in found for name in {"violence", "sexual", "harassment", *found}}
                scores = {name: float(true) for name, true in categories.items()}
                results.append({"flagged": bool(found), "categories": categories, "category_scores": scores})
            return self._json({"id": "modr-1", "model": "omni-moderation-latest", "results": results})

        return await self._serve(request, answer)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """A drawing by its address; it wants no key, as the real ones do not."""
        self.calls.append(Call("GET", f"/files/{request.match_info['name']}", dict(request.headers)))
        return web.Response(body=self._files[request.match_info["name"]], content_type="image/png")

    async def _serve(self, request: web.Request, answer: Callable[..., Any]) -> web.StreamResponse:
        call = Call(
            request.method, request.path.removeprefix("/v1"), {k.lower(): v for k, v in request.headers.items()}
        )
        call.peer = str(request.transport and request.transport.get_extra_info("peername"))
        response: web.StreamResponse
        try:
            await _read(request, call)
            await self._note(call)
            if self.key and call.headers.get("authorization") != f"Bearer {self.key}":
                raise BadRequest("Incorrect API key provided.", None, "invalid_api_key", 401)
            fault = self._next_fault(call.path)
            if fault and fault.kind == "status":
                response = web.json_response({"error": fault.error}, status=fault.status, headers=fault.headers)
            elif fault and fault.kind == "raw":
                response = web.Response(
                    body=fault.body, status=fault.status, headers={"Content-Type": fault.content_type}
                )
            elif call.path == "/chat/completions":
                response = await answer(call, fault)
            elif fault:
                await self._closing.wait()  # elsewhere the only other way to fail is to say nothing
                raise web.HTTPServiceUnavailable
            else:
                made = answer(call)
                response = await made if inspect.isawaitable(made) else made
        except BadRequest as refused:
            response = web.json_response({"error": refused.error}, status=refused.status)
        except asyncio.CancelledError:
            call.left = True
            raise
        finally:
            call.ended.set()
        call.status = response.status
        return response

    async def _note(self, call: Call) -> None:
        if self._record:
            record(self._record, call.method, call.path, call.body, [name for name, _ in call.uploads])
        async with self._news:
            self.calls.append(call)
            self._news.notify_all()

    def _next_fault(self, path: str) -> Fault | None:
        for index, (where, fault) in enumerate(self._faults):
            if where == path:
                del self._faults[index]
                return fault
        return None

    def _know(self, model: str) -> None:
        if model not in self.models:
            message = f"The model `{model}` does not exist or you do not have access to it."
            raise BadRequest(message, None, "model_not_found", 404)

    async def _stream(self, request: web.Request, call: Call, said: Said, fault: Fault | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        try:
            async for event in self._events(call.body, said, fault):
                await response.write(event)
        except ConnectionResetError:
            call.left = True
            return response
        except _TornDown:
            if request.transport:
                request.transport.abort()
            return response
        await response.write_eof()
        return response

    async def _events(self, body: dict[str, Any], said: Said, fault: Fault | None) -> AsyncIterator[bytes]:
        """The events of one answer, with its fault at its place."""
        kind = fault.kind if fault else ""
        text = said.text if isinstance(said, Calls) else said
        chunk = chunks_of(body)
        yield chunk({"role": "assistant", "content": "", "refusal": None})
        for index, piece in enumerate(pieces_of(text) if kind not in ("empty", "refusal") else ()):
            if fault and index >= fault.after:
                break
            async with self._news:
                await self._news.wait_for(lambda: self._let_go >= 1)
                self._let_go -= 1
            yield chunk({"content": piece})
        for index, delta in enumerate(call_deltas(said) if isinstance(said, Calls) else ()):
            if fault and index >= fault.after:
                break
            yield chunk(delta)
        match kind:
            case "cut":
                raise _TornDown
            case "stall":
                await self._closing.wait()
                return
            case "pings":
                while not self._closing.is_set():
                    yield b": keep-alive\n\n"
                    await asyncio.sleep(0.01)
                return
            case "no_finish":
                return
            case "broken_json":
                yield b'data: {"choices": [{"delta"\n\n'
                return
            case "error_event":
                yield b"data: " + json.dumps({"error": fault.error if fault else {}}).encode() + b"\n\n"
                return
            case "refusal":
                yield chunk({"refusal": fault.text if fault else ""})
        usual = "tool_calls" if isinstance(said, Calls) else "stop"
        yield chunk({}, kind if kind in ("content_filter", "length") else usual)
        if (body.get("stream_options") or {}).get("include_usage"):
            yield chunk(None, usage=usage_of(body["messages"], text))
        yield b"data: [DONE]\n\n"

    def _drawn(self, body: dict[str, Any]) -> dict[str, Any]:
        size = body.get("size", "auto")
        width, height = (int(side) for side in size.split("x")) if size != "auto" else (64, 64)
        picture = self.drawing if self.drawing is not None else flat_png(width, height)
        by_address = not body.get("model", "").startswith("gpt-image") and body.get("response_format", "url") == "url"
        entries: list[dict[str, str]] = []
        for _ in range(body.get("n", 1)):
            if by_address:
                name = f"{next(self._numbers)}.png"
                self._files[name] = picture
                entries.append({"url": f"{self.url.removesuffix('/v1')}/files/{name}"})
            else:
                entries.append({"b64_json": base64.b64encode(picture).decode()})
        usage = {"input_tokens": 10, "output_tokens": 200, "total_tokens": 210}
        return {"created": int(time.time()), "data": entries, **({} if by_address else {"usage": usage})}

    @staticmethod
    def _json(answer: Any) -> web.Response:
        return web.json_response(answer, headers={"x-request-id": "req_fake"})


class _TornDown(Exception):
    """The connection is to be cut here."""


async def _send_events(request: web.Request, events: Iterator[bytes]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    for event in events:
        await response.write(event)
    await response.write_eof()
    return response


async def _read(request: web.Request, call: Call) -> None:
    if request.content_type == "multipart/form-data":
        form = await request.post()
        call.body = {}
        for key, value in form.items():
            if isinstance(value, web.FileField):
                upload = Upload(value.filename, value.content_type, value.file.read())
                call.files[key] = upload
                call.uploads.append((key, upload))
            elif key.endswith("[]"):
                call.body.setdefault(key[:-2], []).append(value)
            else:
                call.body[key] = value
    elif request.method == "POST":
        try:
            call.body = await request.json()
        except ValueError:
            raise BadRequest("We could not parse the JSON body of your request.", None) from None
