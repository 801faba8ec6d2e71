"""Take the picture of the page that the README shows: a fresh Parley, the practice model, a real browser."""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser import chromium, visiting
from tests.commands import command

TO = Path(__file__).parent / "page.png"
LOOK = {"viewport": {"width": 1180, "height": 860}, "device_scale_factor": 1.5}


async def say(page: Page, text: str) -> None:
    """Say something, and wait for the whole answer."""
    answers = page.locator("article.assistant[aria-busy=false]")
    before = await answers.count()
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")
    await expect(answers).to_have_count(before + 1)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with command(Path(folder), "run") as parley:
            address = await parley.line("http://")
            async with (
                chromium() as browser,
                visiting(browser, address, **LOOK) as visit,
            ):
                page = visit.page
                await say(page, "My boat is called Nutshell.")
                await page.get_by_role("button", name="New conversation").first.click()
                await say(page, "What can you do?")
                await say(page, "draw a fox in the snow, at dusk")
                await page.locator("article.assistant img").last.wait_for()
                await page.mouse.move(0, 0)
                await page.screenshot(path=TO)


if __name__ == "__main__":
    asyncio.run(main())
