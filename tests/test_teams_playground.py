"""Parley as people meet it in the Agents Playground: the real one, in a real Chromium. Nothing of it is shipped.

npm install --prefix SOMEWHERE @microsoft/m365agentsplayground@0.2.28
PLAYGROUND=SOMEWHERE make test ARGS=tests/test_teams_playground.py

Its page has traps: the panel with its log repeats every message, so it is hidden; a name in a channel is no mention
until it is chosen from the list; and a dialog stays open, empty, when an answer only says that it may close.
"""

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from bot.adapters.teams.playground import PERSON
from bot.config import load_config
from bot.people import export
from tests.browser import find_chromium
from tests.commands import Started, command
from tests.fakes.openai import FakeOpenAI
from tests.prepared import prepared

CLI = Path(os.environ.get("PLAYGROUND", "/nowhere")) / "node_modules/@microsoft/m365agentsplayground/cli.js"
NODE = shutil.which("node")
SOON = 20_000  # milliseconds, on a machine that does much else

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(
        not CLI.exists() or NODE is None or find_chromium() is None,
        reason="PLAYGROUND names no folder with the Agents Playground, or Node.js or Chromium is missing",
    ),
]


@asynccontextmanager
async def trying(folder: Path, openai: FakeOpenAI) -> AsyncIterator[tuple[Started, str]]:
    """`parley teams try` with the Playground that is installed: it, and the address of the page."""
    programs = folder / "bin"
    programs.mkdir()
    (programs / "npx").write_text(f'#!/bin/sh\nwhile [ "$1" != start ]; do shift; done\nexec "{NODE}" "{CLI}" "$@"\n')
    (programs / "npx").chmod(0o755)
    given = {"OPENAI_API_KEY": openai.key, "OPENAI_BASE_URL": openai.url, "BROWSER": "none"}
    given["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    async with command(prepared(folder / "data"), "teams", "try", **given) as started:
        address = (await started.line("Open ")).split()[1]
        yield started, address


@asynccontextmanager
async def page_at(browser: Browser, address: str) -> AsyncIterator[Page]:
    """The Playground's page without its log, which repeats what is said."""
    context = await browser.new_context(viewport={"width": 1300, "height": 1000})
    context.set_default_timeout(SOON)
    expect.set_options(timeout=SOON)
    try:
        page = await context.new_page()
        await page.goto(address)
        await page.get_by_label("Hide log panel").or_(page.get_by_title("Hide log panel")).first.click()
        yield page
    finally:
        expect.set_options(timeout=5_000)
        await context.close()


def box(page: Page, number: int = 0) -> Locator:
    """Where one writes; in a channel the first is for a new post, and each thread has one."""
    return page.locator('[contenteditable="true"], textarea').nth(number)


def said(page: Page, text: str | re.Pattern[str]) -> Locator:
    """What stands in a conversation, and not in the list of conversations beside it."""
    return page.get_by_text(text).and_(page.locator(":not([role=treeitem] *)"))


async def say(page: Page, text: str, number: int = 0) -> None:
    await box(page, number).click()
    await page.keyboard.type(text)
    await page.keyboard.press("Enter")


async def mention(page: Page, text: str, number: int = 0) -> None:
    """Write to the bot by name, as it is chosen from the list that opens."""
    await box(page, number).click()
    await page.keyboard.type("@Test")
    await page.get_by_role("menuitem", name="Test Bot").click()
    await page.keyboard.type(f" {text}")


async def ended(started: Started) -> None:
    """It ends with Ctrl-C, and had nothing to complain about."""
    done = await started.end(by=signal.SIGINT)
    assert done.code == 0
    assert not re.search(r"Traceback|\[error|\"error\"", done.err)


async def test_somebody_alone_with_the_bot(browser: Browser, tmp_path: Path) -> None:
    async with FakeOpenAI() as openai, trying(tmp_path, openai) as (started, address):
        async with page_at(browser, address) as page:
            await expect(said(page, "Hello, I am Test Bot")).to_have_count(1)
            openai.reply_with("Foxes are red.\nThey eat mice.")
            openai.hold()
            await page.get_by_role("button", name="Help me to write a friendly e-mail").click()

            await openai.release(3)
            await expect(said(page, "Foxes are red.")).to_be_visible()
            await expect(said(page, "AI generated")).to_have_count(0)
            await openai.release()
            await expect(said(page, "They eat mice.")).to_be_visible()
            await expect(said(page, "AI generated")).to_have_count(1)
            await expect(page.locator("p", has_text="Foxes are red.").locator("br")).to_have_count(1)

            await page.get_by_label("Dislike").click()
            await page.get_by_role("dialog").locator("textarea").fill("Not all of them.")
            await page.get_by_role("button", name="Submit").click()
            await page.get_by_role("button", name="Close").click()
            openai.reply_with("Some foxes are grey.")
            await page.get_by_role("button", name="Regenerate").click()
            await expect(said(page, "Some foxes are grey.")).to_be_visible()
            await expect(said(page, "They eat mice.")).to_have_count(0)
            await expect(page.get_by_role("button", name="Regenerate")).to_have_count(1)

            openai.reply_with("One " * 400)
            openai.hold()
            await say(page, "count")
            await openai.release(3)
            await expect(said(page, "One One")).to_be_visible()
            await say(page, "stop")
            await expect(said(page, "Stopped.")).to_be_visible()
            await openai.release()

            await say(page, "draw a fox in the snow")
            await expect(page.get_by_role("img", name="a fox in the snow")).to_be_visible()
        with pytest.raises(ConnectionRefusedError):  # it listens nowhere but on 127.0.0.1
            await asyncio.open_connection("127.0.0.2", int(address.rstrip("/").rsplit(":", 1)[1]))
        await ended(started)
    kept = json.loads(await export(load_config(folder=tmp_path / "data"), "teams", PERSON))
    assert [(each["verdict"], each["words"]) for each in kept["judged"]] == [("bad", "Not all of them.")]


async def test_several_people_with_the_bot(browser: Browser, tmp_path: Path) -> None:
    async with FakeOpenAI() as openai, trying(tmp_path, openai) as (started, address):
        openai.reply_with(lambda messages: f"Heard: {str(messages[-1]['content']).splitlines()[0]}")
        async with page_at(browser, address) as page:
            await page.get_by_role("treeitem", name="Group Chat").click()
            await expect(said(page, "Mention me in a message")).to_have_count(1)
            await say(page, "this is for nobody")
            await mention(page, "what is a Bottle for a Test Bot?")
            await page.keyboard.press("Enter")
            await expect(said(page, "Heard: Alex Wilber: what is a Bottle for a Test Bot?")).to_be_visible()

            await page.get_by_label("Show more information").first.click()
            await page.get_by_role("menuitem", name="Action Command").click()
            dialog = page.get_by_role("dialog")
            await dialog.locator("input[type=text]").fill("translate")
            await dialog.get_by_role("button", name="Create").click()
            await dialog.get_by_label("Into which language").fill("French")
            await dialog.get_by_role("button", name="Translate").click()
            await expect(dialog.get_by_text("The answer comes in your own chat with me.")).to_be_visible()
            await dialog.get_by_role("button", name="Close").click()
            await page.get_by_role("treeitem", name="Personal Chat").click()
            await expect(said(page, "Heard: Hello, I am Test Bot. Mention me")).to_be_visible()

            await page.get_by_text("General", exact=True).click()
            await mention(page, "a first question")
            await page.get_by_role("button", name="Post").click()
            await expect(said(page, "Heard: Alex Wilber: a first question")).to_be_visible()
            await mention(page, "a second one below it", 1)
            await page.keyboard.press("Enter")
            await expect(said(page, "Heard: Alex Wilber: a second one below it")).to_be_visible()
            await expect(box(page, 2)).to_have_count(1)  # the welcome's thread and this one, and the box for a post

            await page.get_by_text("Mock an Activity").click()
            await page.get_by_text("Custom activity", exact=True).click()
            await dialog.locator(".view-line").nth(9).wait_for()
            await dialog.locator(".monaco-editor").first.click()
            await page.keyboard.press("Control+End")
            await page.keyboard.press("ArrowLeft")
            await page.keyboard.insert_text(', "type": "invoke", "name": "config/fetch", "value": {}')
            await dialog.get_by_role("button", name="Send activity").click()
            await page.get_by_label("Toggle Log Panel").or_(page.get_by_title("Toggle Log Panel")).click()
            await page.get_by_text("invoke 200").last.click()
            await page.get_by_role("tab", name="Response").click()
            await expect(page.locator("body")).to_contain_text("What I do")
        await ended(started)
    asked = [str(call.messages[-1]["content"]) for call in openai.of()]
    assert not any("for nobody" in each for each in asked[:1])
