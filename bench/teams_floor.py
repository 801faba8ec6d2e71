"""The floor of Teams: plain aiohttp that takes an activity and posts one answer. Nothing is checked or kept.

python -m bench.teams_floor
"""

import asyncio
import contextlib
from typing import Any

import aiohttp
import orjson
from aiohttp import web


async def main() -> None:
    tasks = set[asyncio.Task[None]]()
    async with aiohttp.ClientSession() as session:

        async def answer(activity: dict[str, Any]) -> None:
            where = f"{activity['serviceUrl']}v3/conversations/{activity['conversation']['id']}/activities"
            reply = {"type": "message", "text": f"You said: {activity['text']}", "replyToId": activity["id"]}
            headers = {"Content-Type": "application/json"}
            async with session.post(where, data=orjson.dumps(reply), headers=headers) as response:
                await response.read()

        async def receive(request: web.Request) -> web.Response:
            task = asyncio.create_task(answer(orjson.loads(await request.read())))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return web.Response(status=202)

        await serve([web.post("/api/messages", receive)])


async def serve(routes: list[web.RouteDef]) -> None:
    """Serve these on a free port until the process is ended."""
    application = web.Application()
    application.router.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/?token=", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
