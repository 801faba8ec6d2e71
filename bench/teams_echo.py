"""The Teams adapter alone, with a host that answers at once: `python -m bench.teams_echo plain|placeholder`."""

import asyncio
import gc
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web

from bot import log
from bot.adapters.teams import Teams
from bot.config import load_config
from bot.messages import Button, Message, Reply
from storage import open_store

BUTTONS = (Button("regenerate", "Regenerate"), Button("good", "👍"), Button("bad", "👎"))


class Echo:
    """Answers every message: all at once, or as an answer of the bot goes, with its placeholder and its buttons."""

    def __init__(self, adapter: Teams, *, whole: bool) -> None:
        self.adapter = adapter
        self.whole = whole
        self.tasks: set[asyncio.Task[None]] = set()

    async def heard(self, message: Message) -> bool:
        task = asyncio.create_task(self.answer(message))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return True

    async def answer(self, message: Message) -> None:
        if not self.whole:
            reply = Reply(f"You said: {message.text}")
            await self.adapter.post(message.channel, reply, answers=message.id, nonce=message.id)
            return
        sign = Reply("…", running=True, status=True)
        shown = await self.adapter.post(message.channel, sign, answers=message.id, nonce=message.id)
        await self.adapter.edit(message.channel, shown, Reply(f"You said: {message.text}", buttons=BUTTONS))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"nothing but questions is measured here, not {name}")


async def main(whole: bool) -> None:
    log.configure("warning")
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(folder=Path(folder), port=0)
        store = await open_store(config.database)
        adapter = Teams(config, store)
        application = web.Application()
        application.router.add_routes(adapter.routes())
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        gc.set_threshold(5000, 20, 20)  # as all of Parley does
        gc.freeze()
        running = asyncio.create_task(adapter.run(Echo(adapter, whole=whole)))
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/?token=", flush=True)
        try:
            await running
        finally:
            await runner.cleanup()
            await store.close()


if __name__ == "__main__":
    os.environ.setdefault("PARLEY_PROBE", "0")
    asyncio.run(main(sys.argv[1] == "placeholder"))
