"""A real headless Chromium for the page's tests, and for the pictures of the page in the README."""

import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

__all__ = [
    "FLAGS",
    "Visit",
    "chromium",
    "faint",
    "find_chromium",
    "nameless",
    "photograph",
    "sideways",
    "visiting",
]

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)

# The first has no window to draw, and takes two thirds of the time.
_CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """The path of a Chromium on this machine, or None."""
    return next(filter(None, map(shutil.which, _CHROMIUM)), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser. Raises `RuntimeError` when there is none on this machine."""
    path = find_chromium()
    if path is None:
        raise RuntimeError("there is no Chromium on this machine; install the package `chromium`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """One person's visit to the page. `complaints` is all that the browser had to complain about, but for what matches
    one of `expected`.
    """

    def __init__(self, context: BrowserContext, page: Page, host: str) -> None:
        self.context = context
        self.page = page
        self.host = host
        self.expected: list[str] = []
        self._complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._complaints.append(f"error: {error}"))
        context.on("request", self._request)

    @property
    def complaints(self) -> list[str]:
        return [each for each in self._complaints if not any(re.search(pattern, each) for pattern in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"http://{self.host}/", "data:", "blob:")):
            self._complaints.append(f"a request to {request.url.partition('?')[0]}")


@asynccontextmanager
async def visiting(browser: Browser, address: str, **options: Any) -> AsyncIterator[Visit]:
    """Open `address` in a browser window of its own. `options` are those of a Playwright context: `viewport`,
    `color_scheme`, `reduced_motion` …
    """
    context = await browser.new_context(
        **{"viewport": {"width": 1180, "height": 800}, "locale": "en-GB", "reduced_motion": "reduce", **options}
    )
    try:
        context.set_default_timeout(10_000)
        page = await context.new_page()
        visit = Visit(context, page, address.split("/")[2])
        await page.goto(address)
        yield visit
    finally:
        await context.close()


async def photograph(
    address: str,
    path: Path,
    *,
    width: int = 1180,
    height: int = 800,
    dark: bool = False,
    scale: float = 2,
    prepare: Callable[[Page], Awaitable[None]] | None = None,
) -> None:
    """Take a picture of the page at `address` (with its token) and write it to `path` as PNG. `prepare` may use the
    page first: say something, wait for the answer.
    """
    size = {"width": width, "height": height}
    scheme = "dark" if dark else "light"
    async with (
        chromium() as browser,
        visiting(browser, address, viewport=size, color_scheme=scheme, device_scale_factor=scale) as visit,
    ):
        await visit.page.locator("#welcome:visible, #messages:visible").first.wait_for()
        if prepare is not None:
            await prepare(visit.page)
        await visit.page.wait_for_load_state("networkidle")
        await visit.page.screenshot(path=path)


async def nameless(page: Page) -> list[str]:
    """Controls, landmarks and pictures that can be reached but have no name to be read out."""
    found: list[str] = await page.evaluate(_NAMELESS)
    return found


async def faint(page: Page, least: float = 4.5) -> list[str]:
    """Visible words whose contrast to what is behind them is below `least`, and signs of controls below 3."""
    found: list[str] = await page.evaluate(_FAINT, least)
    return found


async def sideways(page: Page) -> list[str]:
    """What makes the page itself scroll sideways, or sticks out of it."""
    found: list[str] = await page.evaluate(_SIDEWAYS)
    return found


_SHOWN = """
const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  && !element.closest("[inert]") && !element.closest(".sprite");
const tell = (element) => element.outerHTML.slice(0, 120);
"""

_NAMELESS = (
    "() => {"
    + _SHOWN
    + """
const nameOf = (element) => {
  const labelled = (element.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id));
  return element.getAttribute("aria-label") || labelled.filter(Boolean).map((each) => each.textContent).join(" ")
    || element.alt || [...(element.labels ?? [])].map((each) => each.textContent).join(" ")
    || (element.matches("a, button, [role=option]") ? element.textContent : "");
};
const wanted = "a, button, input, textarea, select, [tabindex='0'], nav, section, dialog, img:not([alt='']), [role]";
return [...document.querySelectorAll(wanted)].filter(shown)
  .filter((element) => !element.matches("[role=alert], [role=status]"))
  .filter((element) => !nameOf(element).trim()).map(tell);
}"""
)

_FAINT = (
    "(least) => {"
    + _SHOWN
    + """
const brush = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
  .getContext("2d", { willReadFrequently: true });
const pixel = (colours) => {
  brush.clearRect(0, 0, 1, 1);
  for (const colour of colours) { brush.fillStyle = colour; brush.fillRect(0, 0, 1, 1); }
  return [...brush.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const behind = (element) => {
  const colours = [];
  for (let each = element; each; each = each.parentElement) colours.unshift(getComputedStyle(each).backgroundColor);
  return ["white", ...colours];
};
const light = (rgb) => {
  const linear = (one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = rgb.map((one) => linear(one / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (colour, element) => {
  const grounds = behind(element);
  const [one, other] = [light(pixel([...grounds, colour])), light(pixel(grounds))].sort((a, b) => b - a);
  return (one + 0.05) / (other + 0.05);
};
const found = [];
const judge = (colour, element, limit, what) => {
  const ratio = contrast(colour, element);
  if (ratio < limit) found.push(`${ratio.toFixed(2)} ${what}: ${tell(element)}`);
};
const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (words.nextNode()) {
  const element = words.currentNode.parentElement;
  if (words.currentNode.textContent.trim() && shown(element) && !element.closest(":disabled, script, noscript"))
    judge(getComputedStyle(element).color, element, least, "words");
}
for (const field of document.querySelectorAll("textarea, input[type=text]"))
  if (shown(field)) judge(getComputedStyle(field, "::placeholder").color, field, least, "placeholder");
for (const sign of document.querySelectorAll("button svg, a svg"))
  if (shown(sign) && !sign.closest(":disabled")) judge(getComputedStyle(sign).color, sign.parentElement, 3, "sign");
return found;
}"""
)

_SIDEWAYS = (
    "() => {"
    + _SHOWN
    + """
const found = [];
const scrolls = (element) => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
for (const element of [document.documentElement, document.body, ...document.querySelectorAll("main, .scroller, .dock")])
  if (element.scrollWidth > element.clientWidth) found.push(`scrolls: ${tell(element)}`);
for (const element of document.querySelectorAll("body *")) {
  if (!shown(element) || element.closest(".unseen, .skip")) continue;
  let holder = element.parentElement;
  while (holder && !scrolls(holder)) holder = holder.parentElement;
  if (holder && !holder.matches(".scroller, .rooms")) continue;
  const { left, right } = element.getBoundingClientRect();
  if (right > innerWidth + 1 || left < -1) found.push(`sticks out: ${tell(element)}`);
}
return found;
}"""
)
