"""A model server on loopback that costs next to nothing: it says so many words, as fast as it is told.

Questions carry a mark like `q17`; the answer to that one is `q17 w1 w2 w3 …`, so that it can be seen from outside which
question an answer belongs to, and how much of it has arrived.

    python -m bench.model [ROUNDS]

measures what our side of a call costs against a bare aiohttp client in the same run, server apart: per call and per
chunk, with 2, 200 and 600 messages of history.
"""

import asyncio
import json
import re
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import orjson
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


CALLS = 40  # of each kind in a round
LONG = 201  # words of a long answer: 200 more chunks than one
HISTORIES = (2, 200, 600)


async def serve() -> None:
    """The server, in a process of its own: what it costs is not ours."""
    async with Model() as model:
        print(model.url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            model.words = int(line)
            print("ok", flush=True)


async def measure(rounds: int) -> None:
    from bot.models import Choice, Models, Prompt, Usage
    from bot.models.compatible import Compatible
    from bot.models.connection import Connection
    from bot.models.profiles import profile_for

    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.model", "serve", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    url = (await child.stdout.readline()).decode().strip()

    async def words(number: int) -> None:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(f"{number}\n".encode())
        await child.stdout.readline()

    connection = Connection()
    provider = Compatible(profile_for(url, keyed=True), Model.key, connection, ())
    models = Models({"chat": [Choice(provider, MODEL)]}, close=connection.close)

    async def allow(_: Usage) -> None:
        """There is no budget here."""

    async def ours(said: list[Prompt]) -> int:
        turn = models.for_turn(lambda _: None, allow)
        return sum([len(piece) async for piece in turn.chat(said)])

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {Model.key}"}) as session:

        async def bare(said: list[Prompt]) -> int:
            messages = [{"role": each.role, "content": each.text} for each in said]
            body = {"model": MODEL, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
            size = 0
            async with session.post(f"{url}/chat/completions", data=orjson.dumps(body)) as response:
                async for line in response.content:
                    if line.startswith(b"data: {"):
                        choices = orjson.loads(line[6:])["choices"]
                        size += len(choices[0]["delta"].get("content") or "") if choices else 0
            return size

        print(f"CPU of one side of a chat, medians of {rounds} rounds by turns; bare aiohttp → Parley (ratio)")
        for history in HISTORIES:
            said = [
                Prompt("assistant" if number % 2 else "user", f"q{number} {'some words of a conversation ' * 8}")
                for number in range(history)
            ]
            figures: dict[tuple[Any, int], list[float]] = {}
            for number in range(rounds + 1):
                for length in (1, LONG):
                    await words(length)
                    for call in (bare, ours):
                        cost = await _cost(call, said)
                        if number:  # what is done only once is not measured
                            figures.setdefault((call, length), []).append(cost)
            first, second = (statistics.median(figures[call, 1]) * 1e6 for call in (bare, ours))
            chunks = [
                (statistics.median(figures[call, LONG]) - statistics.median(figures[call, 1])) * 1e6 / (LONG - 1)
                for call in (bare, ours)
            ]
            print(f"{history:4} messages  per call {first:7.0f} → {second:7.0f} us ({second / first:.1f}x)", end="")
            print(f"   per chunk {chunks[0]:5.1f} → {chunks[1]:5.1f} us ({chunks[1] / chunks[0]:.1f}x)", flush=True)
    await models.close()
    child.stdin.close()
    await child.wait()


async def _cost(call: Callable[[Any], Awaitable[int]], said: list[Any]) -> float:
    """Seconds of CPU of one call."""
    begun = time.process_time()
    for _ in range(CALLS):
        assert await call(said)
    return (time.process_time() - begun) / CALLS


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
