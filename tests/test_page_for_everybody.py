"""The page on a phone, at night, by keyboard alone, and read out: it is for everybody."""

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page, expect

from bot import UserError
from bot.messages import Attachment
from tests.browser import Visit, faint, find_chromium, nameless, sideways, visiting
from tests.echo_host import PageServer, serving
from tests.page_visitor import WAV

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine"),
]

EVERYTHING = """Words, **bold** ones and a [masked link](https://somewhere.example/a) to https://else.example/b.

# Heading

> Quoted

1. one
2. two

| a wide column of a wide table | another wide column of it | and a third | and a fourth one |
|---|--:|:-:|---|
| 1 | 2 | 3 | 4 |

```python
print("a line of code that is much too long to fit into any narrow window, so that it has to scroll by itself")
```

AVeryLongWordThatNobodyCanBreakAnywhereButThatHasToBeBrokenAllTheSameBecauseThePhoneIsNarrow
and https://a.very.long.example/address/that/goes/on/and/on/and/on?with=many&parameters=in&it=too
"""

PHONE = {"viewport": {"width": 360, "height": 640}}


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[PageServer]:
    async with serving(tmp_path / "parley") as server:
        server.status["practice"] = True
        yield server


def picture() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (1600, 900), "teal").save(data, "PNG")
    return data.getvalue()


async def fill(page: Page, server: PageServer) -> None:
    """A conversation with one of everything in it."""
    await page.locator("#files").set_input_files(
        [
            {"name": "a very long name of a picture.png", "mimeType": "image/png", "buffer": picture()},
            {"name": "note.wav", "mimeType": "audio/wav", "buffer": WAV},
            {"name": "minutes.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.4"},
        ]
    )
    await page.get_by_role("textbox", name="Message").fill("Look at these, ThisIsALongWord" * 4)
    await page.keyboard.press("Enter")
    answering = await server.answering()
    await answering.finish(
        EVERYTHING,
        Attachment("fox.png", "image/png", picture(), alt="A fox"),
        Attachment("list.csv", "text/csv", b"a,b"),
        footer="Practice model: no AI here. Set OPENAI_API_KEY or start Ollama for real answers.",
    )
    await expect(page.locator("article.assistant .footer")).to_be_visible()
    await expect(page.get_by_role("img", name="A fox")).to_be_visible()


async def states(page: Page, server: PageServer, visit: Visit) -> AsyncIterator[str]:
    """The page in each of its states, one after the other."""
    await expect(page.locator("#welcome")).to_be_visible()
    await expect(page.get_by_role("button", name="Practice model")).to_be_visible()
    yield "empty"
    await page.get_by_role("button", name="Practice model").click()
    yield "about"
    await page.keyboard.press("Escape")
    await fill(page, server)
    yield "answered"
    await page.get_by_role("textbox", name="Message").fill("And this?")
    await page.keyboard.press("Enter")
    answering = await server.answering()
    await answering.show("I am just")
    await expect(page.locator("article.running")).to_be_visible()
    yield "running"
    await answering.finish("I am done")
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    await page.locator("#files").set_input_files([{"name": "a.png", "mimeType": "image/png", "buffer": picture()}])
    server.host.fails = UserError("I cannot take more questions now. Try again in a minute.")
    visit.expected.append("503")
    await page.keyboard.press("Enter")
    await expect(page.locator("#problem")).to_be_visible()
    yield "failed"
    server.host.fails = None
    await page.get_by_role("button", name="Dismiss").click()
    await page.get_by_role("button", name="Record a voice note").click()
    await expect(page.get_by_role("timer")).to_be_visible()
    yield "recording"
    await page.get_by_role("button", name="Discard").click()
    await page.get_by_role("button", name="Enlarge: A fox").click()
    yield "looking"
    await page.keyboard.press("Escape")
    opener = page.get_by_role("button", name="Open the list of conversations")
    if await opener.is_visible():
        await opener.click()
        yield "drawer"
    await page.get_by_role("button", name=re.compile("Delete “")).click()
    yield "asking"
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name=re.compile("Rename “")).click()
    yield "renaming"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{}, PHONE], ids=["desktop", "phone"])
async def test_everything_can_be_read_and_has_a_name_in_every_state(
    browser: Browser, server: PageServer, scheme: str, size: dict[str, Any]
) -> None:
    async with visiting(browser, server.address, color_scheme=scheme, **size) as visit:
        seen = []
        async for state in states(visit.page, server, visit):
            seen.append(state)
            assert await faint(visit.page) == [], state
            assert await nameless(visit.page) == [], state
            assert await sideways(visit.page) == [], state
        assert len(seen) == (10 if size else 9)
        assert visit.complaints == []


async def test_the_sweeps_themselves_find_what_is_wrong(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address, **PHONE) as visit:
        await expect(visit.page.locator("#welcome")).to_be_visible()
        await visit.page.evaluate(
            """() => {
            const wrong = document.createElement("div");
            wrong.innerHTML = "<p class=faint>faint</p><button class=bare></button><p class=wide>wide</p>";
            wrong.querySelector(".faint").style.color = "#bbb";
            wrong.querySelector(".wide").style.width = "500px";
            document.querySelector("#welcome").append(wrong);
        }"""
        )
        assert re.search("faint", "".join(await faint(visit.page)))
        assert re.search("bare", "".join(await nameless(visit.page)))
        assert re.search("wide", "".join(await sideways(visit.page)))


async def test_the_page_follows_day_and_night(browser: Browser, server: PageServer) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        async with visiting(browser, server.address, color_scheme=scheme) as visit:
            await expect(visit.page.locator("#welcome")).to_be_visible()
            written = await visit.page.locator("body").evaluate("(body) => getComputedStyle(body).backgroundColor")
            grounds[scheme] = sum(map(int, re.findall(r"\d+", written)[:3]))
            assert visit.complaints == []
    assert grounds["light"] > 3 * 230
    assert grounds["dark"] < 3 * 40


async def test_on_a_phone_the_list_is_a_drawer(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address, **PHONE) as visit:
        page = visit.page
        await fill(page, server)
        rooms = page.get_by_role("navigation", name="Conversations")
        opener = page.get_by_role("button", name="Open the list of conversations")
        await expect(rooms).to_be_hidden()
        await expect(opener).to_have_attribute("aria-expanded", "false")
        await opener.click()
        await expect(rooms.get_by_role("link")).to_be_in_viewport()
        await expect(page.get_by_role("button", name="Close the list of conversations")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(rooms).to_be_hidden()
        await expect(opener).to_be_focused()
        await opener.click()
        await page.locator("#scrim").click(position={"x": 350, "y": 300})
        await expect(rooms).to_be_hidden()
        await opener.click()
        await page.get_by_role("button", name="New conversation").click()
        await expect(rooms).to_be_hidden()
        await expect(page.locator("#welcome")).to_be_visible()
        await opener.click()
        await rooms.get_by_role("link").click()
        await expect(rooms).to_be_hidden()
        await expect(page.locator("article.assistant")).to_be_visible()
        assert visit.complaints == []


async def test_with_the_keyboard_alone_a_person_can_do_everything(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address) as visit:
        page = visit.page
        focused = page.locator(":focus")
        await expect(page.get_by_role("textbox", name="Message")).to_be_focused()  # to write at once
        await page.keyboard.type("Hello")
        await page.keyboard.press("Enter")
        answering = await server.answering()
        await answering.finish(
            "Read [this](https://a.example)\n\n```\ncode\n```", Attachment("a.png", "image/png", picture())
        )
        await expect(page.get_by_role("img", name="a.png")).to_be_visible()

        # From the top of the page through everything there is.
        await page.locator("button, a, input, textarea").first.focus()
        await expect(focused).to_have_text("Skip to the message box")
        await expect(focused).to_be_in_viewport()
        names = []
        for _ in range(40):
            await page.keyboard.press("Tab")
            if await focused.count() == 0:
                break
            names.append(
                await focused.evaluate("(element) => element.getAttribute('aria-label') || element.textContent.trim()")
            )
            outline = await focused.evaluate(
                "(e) => getComputedStyle(e).outlineStyle + getComputedStyle(e.closest('form') ?? e).borderColor"
            )
            assert "none" not in outline or names[-1] == "Message", f"the focus on {names[-1]} cannot be seen"
        wanted = [
            "New conversation",
            "Hello",
            "Rename “Hello”",
            "Delete “Hello”",
            "Practice model",
            "this",
            "Copy the code",
        ]
        wanted += ["Code", "Enlarge: a.png", "Copy the answer", "Message", "Attach files", "Record a voice note"]
        assert [name for name in names if name in wanted] == wanted

        # Rename, delete and begin anew without a mouse.
        await page.get_by_role("link", name="Hello").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.keyboard.type("Renamed")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("link", name="Renamed")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.keyboard.type("Not kept")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("link", name="Renamed")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Keep it")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#welcome")).to_be_visible()
        await expect(page.get_by_role("textbox", name="Message")).to_be_focused()
        assert visit.complaints == []


async def test_the_skip_link_leads_to_the_message_box(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address) as visit:
        await visit.page.get_by_role("button", name="Skip to the message box").focus()
        await visit.page.keyboard.press("Enter")
        await expect(visit.page.get_by_role("textbox", name="Message")).to_be_focused()
        assert visit.complaints == []


async def test_the_page_has_the_parts_that_a_screen_reader_looks_for(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address) as visit:
        page = visit.page
        await fill(page, server)
        for role in ("main", "navigation", "banner"):
            await expect(page.get_by_role(role)).to_have_count(1 if role != "banner" else 0)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        await expect(page.get_by_role("region", name="Messages")).to_be_visible()
        await expect(page.get_by_role("article", name=re.compile(r"^You, \d"))).to_have_count(1)
        await expect(page.get_by_role("article", name=re.compile(r"^Parley, \d"))).to_have_count(1)
        await expect(page.locator("html")).to_have_attribute("lang", "en")
        ids = await page.locator("[id]").evaluate_all("(all) => all.map((each) => each.id)")
        assert len(ids) == len(set(ids))
        # Nothing that grows word by word is read out word by word.
        await expect(
            page.locator("#messages [aria-live], #messages [role=log], #messages [role=status]")
        ).to_have_count(0)
        assert visit.complaints == []


async def test_whoever_wants_no_motion_gets_none(browser: Browser, server: PageServer) -> None:
    moving = {}
    for motion in ("reduce", "no-preference"):
        async with visiting(browser, server.address, reduced_motion=motion) as visit:
            await visit.page.get_by_role("textbox", name="Message").fill("Hello")
            await visit.page.keyboard.press("Enter")
            await expect(visit.page.locator(".typing")).to_be_visible()
            moving[motion] = await visit.page.locator(".dot").first.evaluate("(dot) => dot.getAnimations().length")
            await visit.page.get_by_role("button", name="New conversation").click()
            assert visit.complaints == []
    assert moving == {"reduce": 0, "no-preference": 1}


async def test_writing_from_right_to_left_runs_from_right_to_left(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address) as visit:
        await visit.page.get_by_role("textbox", name="Message").fill("لماذا البحر مالح؟")
        await visit.page.keyboard.press("Enter")
        await (await server.answering()).finish("بسبب الأملاح.")
        for role in ("user", "assistant"):
            body = visit.page.locator(f"article.{role} .body")
            await expect(body).to_have_css("direction", "rtl")
        assert visit.complaints == []
