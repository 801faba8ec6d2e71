"""Hugging Face's router on loopback: tasks at `/hf-inference/models/…`, chatting at `/v1`, answers in its shapes."""

import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.openai.answers import flat_png, spoken

__all__ = ["FakeHuggingFace", "Task"]


@dataclass
class Task:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class FakeHuggingFace:
    """Use it as `async with FakeHuggingFace() as hub`. `failing` are (status, body) that come before any answer."""

    token: str = "hf_fake0123456789"
    hears: dict[str, Any] = field(default_factory=lambda: {"text": " hello from the hub"})
    tasks: list[Task] = field(default_factory=list)
    failing: list[tuple[int, Any]] = field(default_factory=list)
    draws: bytes = b""
    url: str = ""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/hf-inference/models/{path:.+}", self._task)
        app.router.add_post("/own", self._task)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _models(self, _request: web.Request) -> web.Response:
        pricing = [{"provider": "a", "status": "live", "pricing": {"input": 0.2, "output": 0.6}}, {"provider": "b"}]
        models = [{"id": "Qwen/Qwen2.5-VL-7B-Instruct"}, {"id": "openai/gpt-oss-120b", "providers": pricing}]
        return web.json_response({"object": "list", "data": models})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        await self._note(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for delta, finish in (({"content": "from the router"}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            await response.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    async def _task(self, request: web.Request) -> web.Response:
        task = await self._note(request)
        if task.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "Invalid credentials in Authorization header"}, status=401)
        if self.failing:
            status, told = self.failing.pop(0)
            return web.json_response(told, status=status)
        kind = request.content_type
        if task.path.endswith("/feature-extraction"):
            return web.json_response([[float(len(text)), 1.0] for text in task.json["inputs"]])
        if kind.startswith("audio/"):
            return web.json_response(self.hears)
        if kind != "application/json":  # as the real one, for sounds without a type
            return web.json_response({"error": f'Content type "{kind}" not supported.'}, status=400)
        if "tts" in task.path:
            sound, media_type = spoken("wav")
            return web.Response(body=sound, content_type=media_type)
        asked = task.json.get("parameters", {})
        picture = self.draws or flat_png(asked.get("width", 64), asked.get("height", 64))
        return web.Response(body=picture, content_type="image/png")

    async def _note(self, request: web.Request) -> Task:
        task = Task(request.path, dict(request.headers), await request.read())
        self.tasks.append(task)
        return task
