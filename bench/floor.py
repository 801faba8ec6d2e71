"""The floor: the least that can be called a bot. It hears on the gateway, streams from the model, posts once.

    DISCORD_TOKEN=… PARLEY_DISCORD_API=… OPENAI_BASE_URL=… OPENAI_API_KEY=… python -m bench.floor

No storage, no context, no edits, no limits, no errors: what it costs nobody can go below.
"""

import asyncio
import os
import signal
from typing import Any

import aiohttp
import orjson

INTENTS = 1 << 0 | 1 << 9 | 1 << 12
MODEL = "gpt-6-luna"


class Floor:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._api = os.environ["PARLEY_DISCORD_API"]
        self._model = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
        self._discord = {
            "Authorization": f"Bot {os.environ['DISCORD_TOKEN']}",
            "User-Agent": "DiscordBot (https://example.com, 1)",
        }
        self._openai = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"}
        self._me = ""
        self._sequence: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        async with self._session.get(f"{self._api}/gateway/bot", headers=self._discord) as response:
            address = (await response.json())["url"]
        async with self._session.ws_connect(f"{address}/?v=10&encoding=json") as gateway:
            async for frame in gateway:
                event = orjson.loads(frame.data)
                self._sequence = event["s"] or self._sequence
                match event["op"], event["t"]:
                    case 10, _:
                        self._start(self._beat(gateway, event["d"]["heartbeat_interval"] / 1000))
                        token = os.environ["DISCORD_TOKEN"]
                        who = {"os": "linux", "browser": "floor", "device": "floor"}
                        await gateway.send_json({"op": 2, "d": {"token": token, "intents": INTENTS, "properties": who}})
                    case 0, "READY":
                        self._me = event["d"]["user"]["id"]
                        print("http://floor", flush=True)
                    case 0, "MESSAGE_CREATE":
                        message = event["d"]
                        if any(user["id"] == self._me for user in message["mentions"]):
                            self._start(self._answer(message))

    async def _beat(self, gateway: aiohttp.ClientWebSocketResponse, seconds: float) -> None:
        while not gateway.closed:
            await asyncio.sleep(seconds)
            await gateway.send_json({"op": 1, "d": self._sequence})

    async def _answer(self, message: dict[str, Any]) -> None:
        asked = {"model": MODEL, "messages": [{"role": "user", "content": message["content"]}], "stream": True}
        text = ""
        async with self._session.post(self._model, json=asked, headers=self._openai) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    choices = orjson.loads(line[6:])["choices"]
                    text += choices[0]["delta"].get("content") or "" if choices else ""
        reply = {"content": text, "message_reference": {"message_id": message["id"]}}
        address = f"{self._api}/channels/{message['channel_id']}/messages"
        async with self._session.post(address, json=reply, headers=self._discord) as response:
            await response.read()

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def main() -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        running = asyncio.create_task(Floor(session).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        await asyncio.wait([running])
        if not running.cancelled():
            running.result()


if __name__ == "__main__":
    asyncio.run(main())
