"""The Agents Playground as a real client, where it is installed; nothing of it is shipped.

npm install --prefix SOMEWHERE @microsoft/m365agentsplayground
PLAYGROUND=SOMEWHERE make test ARGS=tests/test_teams_playground.py
"""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.commands import command

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CLI = Path(os.environ.get("PLAYGROUND", "/nowhere")) / "node_modules/@microsoft/m365agentsplayground/cli.js"
ONLY_HERE = """
const net = require('net');
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'object' && first !== null && first.port !== undefined) first.host = '127.0.0.1';
  else if (!isNaN(first)) rest = ['127.0.0.1', ...rest.filter((each) => typeof each === 'function')];
  return listen.call(this, first, ...rest);
};
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CLI.exists() or not shutil.which("node") or CHROMIUM is None,
        reason="PLAYGROUND names no folder with the Agents Playground, or node or Chromium is missing",
    ),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def playground(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a Playground that talks to a Parley."""
    (tmp_path / "only_here.cjs").write_text(ONLY_HERE)
    bot_port, port = free_port(), free_port()
    async with command(tmp_path / "data", "run", PARLEY_TEAMS_ANONYMOUS="1", PORT=str(bot_port)) as parley:
        await parley.line("http://")
        endpoint = f"http://127.0.0.1:{bot_port}/api/messages"
        process = await asyncio.create_subprocess_exec(
            *("node", str(CLI), "start", "-e", endpoint, "-c", "msteams", "-p", str(port), "--disable-telemetry"),
            env={**os.environ, "BROWSER": "none", "NODE_OPTIONS": f"--require {tmp_path / 'only_here.cjs'}"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(30):
                async for line in process.stdout:
                    if b"Listening on" in line:
                        break
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.kill()
            await process.wait()


async def test_an_answer_with_its_label_and_its_button_is_seen_in_a_browser(playground: str) -> None:
    from playwright.async_api import async_playwright, expect

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(playground)
        await page.get_by_label("Hide log panel").or_(page.get_by_title("Hide log panel")).first.click()
        await expect(page.get_by_text("Ask me anything").first).to_be_visible(timeout=20_000)
        box = page.locator('[contenteditable="true"], textarea').first
        await box.click()
        await page.keyboard.type("what about foxes?")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("You said").first).to_be_visible(timeout=20_000)
        await expect(page.get_by_text("AI generated").first).to_be_visible()
        await page.get_by_role("button", name="Regenerate").last.click()
        await expect(page.get_by_text("I am on it").first).to_be_visible(timeout=20_000)
        await expect(page.get_by_role("button", name="Regenerate")).to_have_count(1)
        await browser.close()
