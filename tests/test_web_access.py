"""Who may use the page, and from where."""

import itertools
import json
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.adapter import AdapterOff
from bot.adapters.web import Web
from bot.config import Config, load_config
from storage import Store
from tests.echo_host import PageServer, serving

ROOM = "00000000-0000-4000-8000-000000000001"
ROUTES = [
    ("GET", "/"),
    ("GET", "/assets/page.js"),
    ("GET", "/api/status"),
    ("GET", "/api/events"),
    ("GET", "/api/rooms"),
    ("PATCH", f"/api/rooms/{ROOM}"),
    ("DELETE", f"/api/rooms/{ROOM}"),
    ("GET", f"/api/rooms/{ROOM}/messages"),
    ("POST", f"/api/rooms/{ROOM}/messages"),
    ("POST", f"/api/rooms/{ROOM}/stop"),
    ("POST", f"/api/rooms/{ROOM}/press"),
    ("GET", "/api/commands"),
    ("GET", "/api/communities"),
    ("GET", "/api/settings"),
    ("PUT", "/api/settings"),
    ("GET", "/api/files/web-00000000000000000000000000000000"),
]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PageServer]:
    async with serving(tmp_path / "parley") as server:
        yield server


@pytest.fixture
async def http(server: PageServer) -> AsyncIterator[aiohttp.ClientSession]:
    jar = aiohttp.CookieJar(unsafe=True)  # it keeps cookies of 127.0.0.1, as browsers do
    async with aiohttp.ClientSession(server.origin, cookie_jar=jar) as session:
        yield session


def bearer(server: PageServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


def test_every_route_is_in_this_list(config: Config, store: Store) -> None:
    described = {(route.method, re.sub(r"\{\w+\}", "*", route.path)) for route in Web(config, store).routes()}  # type: ignore[attr-defined]
    listed = {(method, re.sub(r"(?<=/)(0000|page\.js|web-)[\w-]*", "*", path)) for method, path in ROUTES}
    assert listed == described


async def test_nobody_gets_in_without_the_token(http: aiohttp.ClientSession, server: PageServer) -> None:
    almost = server.token[:-1] + ("a" if server.token[-1] != "a" else "b")
    tries: list[dict[str, Any]] = [
        {},
        {"params": {"token": almost}},
        {"params": {"token": ""}},
        {"params": {"token": "é" * 43}},
        {"headers": {"Authorization": f"Bearer {almost}"}},
        {"headers": {"Authorization": f"Basic {server.token}"}},
        {"headers": {"Cookie": f"parley-{server.adapter.port}={server.token}"}},
        {"headers": {"Cookie": "parley=x"}},
    ]
    for (method, path), options in itertools.product(ROUTES, tries):
        async with http.request(method, path, **options) as response:
            assert response.status == 401, (method, path, options)
            assert server.token not in await response.text()


async def test_the_token_opens_every_route(http: aiohttp.ClientSession, server: PageServer) -> None:
    ways: list[dict[str, Any]] = [{"params": {"token": server.token}}, {"headers": bearer(server)}]
    for (method, path), options in itertools.product(ROUTES, ways):
        async with http.request(method, path, **options) as response:
            assert response.status not in (401, 403), (method, path, options)


async def test_a_person_without_the_token_is_told_what_to_open(http: aiohttp.ClientSession) -> None:
    async with http.get("/", headers={"Accept": "text/html,*/*"}) as response:
        assert response.status == 401
        assert response.content_type == "text/html"
        assert "parley run" in await response.text()
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_the_page_gives_a_cookie_that_opens_it_the_next_time(
    http: aiohttp.ClientSession, server: PageServer
) -> None:
    async with http.get(server.address) as response:
        assert response.status == 200
        cookie = response.cookies[f"parley-{server.adapter.port}"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["path"] == "/"
    assert int(cookie["max-age"]) > 86400
    assert server.token not in cookie.value  # a stolen cookie does not give the token away
    async with aiohttp.ClientSession(server.origin, cookies={cookie.key: cookie.value}) as again:
        for path in ("/", "/api/rooms", "/assets/page.css"):
            async with again.get(path) as response:
                assert response.status == 200


async def test_a_configured_token_is_the_token_whatever_characters_it_has(tmp_path: Path) -> None:
    token = 'a;b "ü"&=/?#'
    async with serving(tmp_path / "parley", web_token=token) as server:
        assert not (server.config.folder / "web-token").exists()
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
            async with http.get(server.address) as response:
                assert response.status == 200
            async with http.get(f"{server.origin}/api/rooms") as response:  # by the cookie
                assert response.status == 200


async def test_the_token_outlives_a_restart_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    folder = tmp_path / "parley"
    async with serving(folder) as server:
        token = server.token
        assert len(token) >= 32
        kept = folder / "web-token"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        kept.chmod(0o644)
    async with serving(folder) as server:
        assert server.token == token
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_two_installations_have_two_tokens(tmp_path: Path, store: Store) -> None:
    first, second = (Web(load_config(folder=tmp_path / name), store).greeting for name in ("one", "two"))
    assert first != second


def test_a_folder_that_cannot_hold_the_token_is_named(tmp_path: Path, store: Store) -> None:
    (tmp_path / "parley" / "web-token").mkdir(parents=True)  # in the place of the file
    with pytest.raises(AdapterOff, match=r"web-token.*PARLEY_WEB_TOKEN"):
        Web(load_config(folder=tmp_path / "parley"), store)


@pytest.mark.parametrize(
    ("host", "opened"),
    [
        ("127.0.0.1", "http://127.0.0.1:3978/?token="),
        ("localhost", "http://localhost:3978/?token="),
        ("0.0.0.0", "http://127.0.0.1:3978/?token="),
        ("::", "http://[::1]:3978/?token="),
        ("::1", "http://[::1]:3978/?token="),
        ("192.168.1.7", "http://192.168.1.7:3978/?token="),
    ],
)
def test_the_greeting_is_an_address_that_can_be_opened(tmp_path: Path, store: Store, host: str, opened: str) -> None:
    assert Web(load_config(folder=tmp_path, host=host), store).greeting.startswith(opened)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:3978", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "["]
)
async def test_a_name_that_is_not_this_machines_is_refused(
    http: aiohttp.ClientSession, server: PageServer, host: str
) -> None:
    async with http.get("/api/rooms", headers={**bearer(server), "Host": host}) as response:
        assert response.status in (400, 403)
        assert not response.cookies


@pytest.mark.parametrize("host", ["localhost:9000", "127.0.0.1", "[::1]:3978", "127.1.2.3"])
async def test_every_name_of_this_machine_will_do(http: aiohttp.ClientSession, server: PageServer, host: str) -> None:
    async with http.get("/api/rooms", headers={**bearer(server), "Host": host}) as response:
        assert response.status == 200


async def test_bound_to_a_network_the_token_alone_decides(tmp_path: Path) -> None:
    async with serving(tmp_path / "parley", host="0.0.0.0") as server, aiohttp.ClientSession(server.origin) as http:
        named = {"Host": "chat.example.org"}
        async with http.get("/api/rooms", headers={**bearer(server), **named}) as response:
            assert response.status == 200
        async with http.get("/api/rooms", headers=named) as response:
            assert response.status == 401


async def test_another_page_cannot_make_the_browser_act(http: aiohttp.ClientSession, server: PageServer) -> None:
    async with http.get(server.address):  # the browser has the cookie by now
        pass
    origins = ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:8080")
    foreign = [{"Origin": origin} for origin in origins]
    sites = [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
    for method, path in ROUTES:
        for headers in [*foreign, *(sites if path != "/" else [])]:  # a link elsewhere may lead to the page itself
            async with http.request(method, path, headers=headers) as response:
                assert response.status == 403, (method, path, headers)


async def test_another_page_cannot_listen(http: aiohttp.ClientSession, server: PageServer) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect("/api/events", headers={**bearer(server), "Origin": "http://localhost:8080"})
    assert refused.value.status == 403
    async with http.ws_connect("/api/events", headers={**bearer(server), "Origin": server.origin}) as socket:
        assert json.loads((await socket.receive()).data)["kind"] == "hello"


async def test_every_answer_tells_the_browser_to_be_strict(http: aiohttp.ClientSession, server: PageServer) -> None:
    paths = ("/", "/assets/page.js", "/api/rooms", "/api/files/x", "/assets/nothing.js")
    for path, known in itertools.product(paths, (True, False)):
        async with http.get(path, headers=bearer(server) if known else {}) as response:
            headers = response.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "no-store" in headers["Cache-Control"] or "private" in headers["Cache-Control"]


async def test_the_page_holds_nothing_inline_and_nothing_from_elsewhere(
    http: aiohttp.ClientSession, server: PageServer
) -> None:
    async with http.get("/", headers=bearer(server)) as response:
        page = await response.text()
    assert server.token not in page
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?://|src=\"//", page)
    for asset in re.findall(r'(?:href|src)="(/assets/[^"]+)"', page):
        async with http.get(asset, headers=bearer(server)) as response:
            assert response.status == 200, asset
            content = await response.text()
            assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/)", content), asset
            tag = response.headers["ETag"]
        async with http.get(asset, headers={**bearer(server), "If-None-Match": tag}) as response:
            assert response.status == 304


async def test_the_packages_code_cannot_be_read_as_an_asset(http: aiohttp.ClientSession, server: PageServer) -> None:
    for name in ("page.html", "..%2F__init__.py", "..%2f..%2f..%2fconfig.py", "%2e%2e/access.py", "__init__.py"):
        async with http.get(f"/assets/{name}", headers=bearer(server)) as response:
            assert response.status == 404
