"""`python -m tests.fakes.openai --port 8081`: a model server to try things with by hand."""

import argparse
import asyncio

from tests.fakes.openai.server import FakeOpenAI


async def serve(port: int, key: str) -> None:
    async with FakeOpenAI(port=port, key=key) as openai:
        print(f"OPENAI_BASE_URL={openai.url}\nOPENAI_API_KEY={openai.key or 'none'}", flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="where to listen on 127.0.0.1; by default any free port")
    parser.add_argument("--key", default="sk-fake-0123456789", help="the key that clients need; empty for none")
    given = parser.parse_args()
    try:
        asyncio.run(serve(given.port, given.key))
    except KeyboardInterrupt:
        print("stopped")


main()
