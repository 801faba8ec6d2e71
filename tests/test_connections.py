"""Who opens connections to the server and says nothing, or nonsense, keeps nobody else out."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot import connections
from bot.config import Config
from bot.health import Health
from bot.server import Server
from bot.testing import ScriptedModel, models_of
from storage import Store

HEAD = b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "


class NoTurns:
    strained = False
    running = 0
    waiting = 0

    def heard_ago(self, platform: str) -> float | None:
        return None


@pytest.fixture
async def server(store: Store, config: Config) -> AsyncIterator[Server]:
    server = Server("127.0.0.1", 0, Health((), store, models_of(ScriptedModel()), NoTurns(), lambda: 0.0))
    await server.start(())
    yield server
    await server.close()


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(server: Server, said: bytes = b"") -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(said)
    await writer.drain()
    return reader, writer


async def is_well(server: Server) -> bool:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{server.port}/healthz") as response:
        return response.status == 200


async def heard(connection: Connection) -> bytes:
    reader, writer = connection
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    return said


@pytest.mark.parametrize("said", [b"", HEAD], ids=["nothing", "half a question"])
async def test_a_connection_on_which_nothing_is_asked_is_closed(
    said: bytes, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.2)
    monkeypatch.setattr(connections, "_LOOK_EVERY", 0.05)
    began = time.monotonic()
    silent = await connect(server, said)

    assert await heard(silent) == b""
    assert time.monotonic() - began < 3
    assert await is_well(server)


async def test_of_many_silent_connections_the_oldest_go(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST_SILENT", 5)
    monkeypatch.setattr(connections, "_LEAST_SECONDS", 0.2)
    monkeypatch.setattr(connections, "_LOOK_EVERY", 0.05)
    silent = [await connect(server, HEAD) for _ in range(12)]

    gone = [await heard(each) for each in silent[:7]]

    assert gone == [b""] * 7
    assert await is_well(server)
    for _, writer in silent[7:]:
        assert not writer.is_closing()
        writer.close()


async def test_many_questions_at_once_on_new_connections_are_all_answered(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_MOST_SILENT", 3)

    assert all(await asyncio.gather(*(is_well(server) for _ in range(30))))


async def test_a_packed_body_that_nobody_reads_is_not_unpacked(server: Server) -> None:
    bomb = gzip.compress(b"\0" * 100 * 1024 * 1024, 1)
    head = f"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n"
    began = time.process_time()
    reader, writer = await connect(server, head.encode() + bomb)

    assert (await reader.readline()).startswith(b"HTTP/1.1 405")
    assert await is_well(server)
    writer.close()
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize("said", [b"\x16\x03\x01 no http\r\n\r\n", HEAD + b"a\0Bearer eyJsecret\r\n\r\n"])
async def test_what_is_no_http_is_refused_without_an_alarm(
    said: bytes, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert b" 400 " in await heard(await connect(server, said))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("host", ["a:b:c", "127.0.0.1:x", "["])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_an_impossible_host_is_a_strangers(path: str, host: str, server: Server) -> None:
    said = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    answer = await heard(await connect(server, said))

    assert answer.split()[1] in (b"200", b"400", b"403", b"503")
    assert b"memory" not in answer


@pytest.mark.parametrize("header", ["X-Forwarded-For: 203.0.113.7", "Via: 1.1 tunnel", "Host: bot.example.com"])
async def test_who_comes_through_a_tunnel_is_not_on_this_machine(header: str, server: Server) -> None:
    host = "" if header.startswith("Host") else "Host: 127.0.0.1\r\n"
    said = f"GET /metrics HTTP/1.1\r\n{host}{header}\r\nConnection: close\r\n\r\n".encode()

    assert (await heard(await connect(server, said))).split()[1] == b"403"
