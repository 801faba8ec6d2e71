"""A model server on loopback that costs next to nothing: it says so many words, as fast as it is told.

Questions carry a mark like `q17`; the answer to that one is `q17 w1 w2 w3 …`, so that it can be seen from outside which
question an answer belongs to, and how much of it has arrived.
"""

import asyncio
import json
import re
import time
from types import TracebackType
from typing import Self

from aiohttp import web

__all__ = ["Model"]

MODEL = "gpt-6-luna"
_MARK = re.compile(r"\bq\d+\b")


class Model:
    """`asked` has the time of each question's call, `sent` the times at which its words went out.

    `words` is the length of an answer, `gap` the seconds between two words; both can be changed at any time.
    """

    key = "sk-bench-0123456789"

    def __init__(self, *, words: int = 20, gap: float = 0.0) -> None:
        self.words = words
        self.gap = gap
        self.asked: dict[str, float] = {}
        self.sent: dict[str, list[float]] = {}
        self.calls = 0
        self.url = ""

    def answer(self, mark: str) -> str:
        """What is said to the question with this mark."""
        return " ".join([mark, *(f"w{number}" for number in range(1, self.words))])

    def environment(self) -> dict[str, str]:
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": self.key}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1}]})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        now = time.monotonic()
        body = json.loads(await request.read())
        mark = _MARK.findall(_text(body["messages"][-1]["content"]))[-1]
        self.calls += 1
        self.asked.setdefault(mark, now)
        sent = self.sent[mark] = []
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        await response.write(_event({"role": "assistant", "content": ""}))
        words = self.answer(mark).split(" ")
        began = time.monotonic()
        for number, word in enumerate(words):
            if self.gap:
                await asyncio.sleep(max(0.0, began + number * self.gap - time.monotonic()))
            await response.write(_event({"content": f" {word}" if number else word}))
            sent.append(time.monotonic())
        usage = {"prompt_tokens": 100, "completion_tokens": len(words), "total_tokens": 100 + len(words)}
        await response.write(_event({}, "stop") + _event(None, usage=usage) + b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _text(content: object) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return str(content)


def _event(delta: object, finish: str | None = None, usage: object = None) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    event = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    return b"data: " + json.dumps(event | {"choices": choices, "usage": usage}).encode() + b"\n\n"
