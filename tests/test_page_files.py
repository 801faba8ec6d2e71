"""Files on the page, in a real headless Chromium: attached, dropped, pasted, recorded, shown and saved."""

import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, Page, expect

from bot import UserError
from bot.media import sniff
from bot.messages import Attachment
from tests.browser import Visit, find_chromium, photograph, visiting
from tests.echo_host import Answering, PageServer, serving
from tests.page_visitor import WAV
from tests.sounds import tone, wav

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine"),
]


@pytest_asyncio.fixture(loop_scope="session")
async def server(tmp_path: Path) -> AsyncIterator[PageServer]:
    async with serving(tmp_path / "parley") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, server: PageServer) -> AsyncIterator[Visit]:
    async with visiting(browser, server.address) as visit:
        yield visit
        assert visit.complaints == []


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


def picture(colour: str = "teal") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (120, 80), colour).save(data, "PNG")
    return data.getvalue()


async def ask(page: Page, server: PageServer, text: str = "Why is the sea salty?") -> Answering:
    """Type and press Enter; the answer is the test's to give."""
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")
    return await server.answering()


async def test_a_picture_is_attached_shown_small_taken_off_and_sent(page: Page, server: PageServer) -> None:
    await page.locator("#files").set_input_files(
        [
            {"name": "sea.png", "mimeType": "image/png", "buffer": picture()},
            {"name": "plan.txt", "mimeType": "text/plain", "buffer": b"a plan"},
        ]
    )
    chips = page.get_by_role("list", name="Attached files").get_by_role("listitem")
    await expect(chips).to_have_count(2)
    assert await chips.first.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 120
    await page.get_by_role("button", name="Remove plan.txt").click()
    await expect(chips).to_have_count(1)
    await page.get_by_role("textbox", name="Message").fill("What is this?")
    await page.get_by_role("button", name="Send").click()
    question = await server.host.asked()
    assert [(each.name, each.media_type) for each in question.attachments] == [("sea.png", "image/png")]
    shown = page.get_by_role("img", name="sea.png")
    await expect(shown).to_be_visible()
    assert await shown.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 120
    await expect(chips).to_have_count(0)


_DROP = """([kind, name, type, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type }));
  const target = document.querySelector("main");
  if (kind === "paste") {
    target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  } else {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""


async def test_a_picture_can_be_dropped_or_pasted_anywhere(page: Page, server: PageServer) -> None:
    await expect(page.locator("#welcome")).to_be_visible()
    file = ["fox.png", "image/png", list(picture())]
    await page.evaluate(_DROP, ["dragenter", *file])
    await expect(page.get_by_text("Drop it here")).to_be_visible()
    await page.evaluate(_DROP, ["dragleave", *file])
    await expect(page.get_by_text("Drop it here")).to_be_hidden()
    await page.evaluate(_DROP, ["dragenter", *file])
    await page.evaluate(_DROP, ["drop", *file])
    await expect(page.get_by_text("Drop it here")).to_be_hidden()
    await page.evaluate(_DROP, ["paste", "image.png", "image/png", list(picture("red"))])
    await expect(page.locator(".chip img")).to_have_count(2)
    await page.keyboard.press("Enter")  # a picture needs no words
    assert [each.name for each in (await server.host.asked()).attachments] == ["fox.png", "image.png"]


async def test_files_that_are_too_many_or_too_large_are_refused_at_once(page: Page, server: PageServer) -> None:
    small = {"mimeType": "text/plain", "buffer": b"x"}
    await page.locator("#files").set_input_files([{"name": f"{n}.txt", **small} for n in range(5)])  # type: ignore[arg-type]
    await expect(page.get_by_role("alert")).to_contain_text("A message may carry 4 files.")
    await expect(page.locator(".chip")).to_have_count(4)
    await page.get_by_role("button", name="Remove 0.txt").click()
    await page.evaluate(
        """() => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(26 * 1024 * 1024)], "film.mov", { type: "video/quicktime" }));
        document.querySelector("main").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }"""
    )
    await expect(page.get_by_role("alert")).to_contain_text("“film.mov” is too large: a file may have 25 MB.")
    await expect(page.locator(".chip")).to_have_count(3)


async def test_a_voice_note_is_recorded_sent_and_can_be_played(page: Page, server: PageServer) -> None:
    await page.get_by_role("button", name="Record a voice note").first.click()
    await expect(page.get_by_role("timer", name="Length")).to_have_text("0:01")
    await page.get_by_role("button", name="Send voice note").click()
    question = await server.host.asked()
    await expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    (note,) = question.attachments
    assert note.kind == "audio"
    content = await server.adapter.read(question.channel, note, 10_000_000)
    assert sniff(content) == note.media_type
    assert len(content) > 2000
    player = page.get_by_role("group", name=note.name)
    await expect(player.locator(".time")).to_have_text(re.compile(r"0:0[12]"))
    await player.get_by_role("button", name="Play").click()
    await expect(player.get_by_role("button", name="Pause")).to_be_visible()
    await expect(player.get_by_role("button", name="Play")).to_be_visible()  # at its end


async def test_a_voice_note_can_be_discarded(page: Page, server: PageServer) -> None:
    for discard in ("button", "Escape"):
        await page.get_by_role("button", name="Record a voice note").first.click()
        await expect(page.get_by_role("timer")).to_be_visible()
        if discard == "button":
            await page.get_by_role("button", name="Discard").click()
        else:
            await page.keyboard.press("Escape")
        await expect(page.get_by_role("timer")).to_be_hidden()
        await expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    await expect(page.locator(".chip")).to_have_count(0)
    assert server.host.messages == []


async def test_a_page_without_a_microphone_says_what_to_do_instead(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address) as visit:
        await visit.page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no')); }"
        )
        await visit.page.get_by_role("button", name="Record a voice note").first.click()
        await expect(visit.page.get_by_role("alert")).to_contain_text("attach a sound file instead")
        assert visit.complaints == []


async def test_what_could_not_be_sent_stays_with_the_reason_and_can_be_sent_again(
    visit: Visit, page: Page, server: PageServer
) -> None:
    visit.expected.append("503")
    server.host.fails = UserError("I cannot take more questions now. Try again in a minute.")
    await page.locator("#files").set_input_files([{"name": "sea.png", "mimeType": "image/png", "buffer": picture()}])
    await page.get_by_role("textbox", name="Message").fill("What is this?")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("I cannot take more questions now.")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("What is this?")
    await expect(page.locator(".chip img")).to_have_count(1)
    await expect(page.locator("article")).to_have_count(0)
    server.host.fails = None
    await page.get_by_role("button", name="Try again").click()
    question = await server.host.asked()
    assert (question.text, len(question.attachments)) == ("What is this?", 1)
    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(page.locator("article.user")).to_have_count(1)
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("")


async def test_files_in_an_answer_are_looked_at_listened_to_and_saved(page: Page, server: PageServer) -> None:
    answering = await ask(page, server, "Draw a fox")
    await answering.finish(
        "Here:",
        Attachment("fox.png", "image/png", picture("orange"), alt="A fox under a tree"),
        Attachment("song.wav", "audio/wav", WAV),
        Attachment("list.csv", "text/csv", b"a,b\n"),
        Attachment("broken.png", "image/png", b"\x89PNG\r\n\x1a\nnot a picture"),
    )
    await page.get_by_role("button", name="Enlarge: A fox under a tree").click()
    viewer = page.get_by_role("dialog", name="Picture")
    await expect(viewer.get_by_role("img", name="A fox under a tree")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(viewer).to_be_hidden()
    await expect(page.get_by_role("button", name="Enlarge: A fox under a tree")).to_be_focused()
    await expect(page.get_by_role("group", name="song.wav")).to_be_visible()
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Save list.csv, 4 bytes").click()
    assert Path(await (await download.value).path()).read_bytes() == b"a,b\n"
    # What turns out not to be a picture can still be saved.
    await expect(page.get_by_role("link", name=re.compile("Save broken.png"))).to_be_visible()


async def test_the_readme_gets_a_picture_of_the_page(server: PageServer, tmp_path: Path) -> None:
    path = tmp_path / "page.png"

    async def talk(page: Page) -> None:
        await (await ask(page, server)).finish("Because **rain** dissolves rock.")
        await expect(page.locator("article.assistant strong")).to_be_visible()

    await photograph(server.address, path, width=900, height=600, scale=1, prepare=talk)
    with Image.open(path) as image:
        assert image.size == (900, 600)
        assert len(image.convert("RGB").getcolors(1_000_000) or ()) > 50


_WATCH = """() => {
  window.gaps = 0;
  new MutationObserver(() => {
    const image = document.querySelector("article.assistant .picture img");
    if (!image || !image.complete || !image.naturalWidth) window.gaps += 1;
  }).observe(document.querySelector("article.assistant"), { childList: true, subtree: true, attributes: true });
}"""


async def test_unfinished_pictures_take_each_others_place_without_a_gap(page: Page, server: PageServer) -> None:
    answering = await ask(page, server, "Draw a fox")
    await answering.show("Drawing…", status=True)
    await expect(page.locator("article.assistant .doing")).to_have_text("Drawing…")
    shown = page.locator("article.assistant .picture img")
    for number, colour in enumerate(("red", "green", "blue")):
        draft = Attachment("draft.png", "image/png", picture(colour), alt=f"Draft in {colour}")
        await answering.show("Drawing…", draft, status=True)
        await expect(page.get_by_role("img", name=f"Draft in {colour}")).to_be_visible()
        if number == 0:
            await shown.evaluate("(image) => image.decode()")
            await page.evaluate(_WATCH)
    await answering.finish("", Attachment("fox.png", "image/png", picture("orange"), alt="A fox"))
    await expect(page.get_by_role("img", name="A fox")).to_be_visible()
    await expect(shown).to_have_count(1)
    await expect(page.get_by_text("Drawing…")).to_have_count(0)
    assert await page.evaluate("window.gaps") == 0


async def test_a_picture_in_an_answer_is_dragged_into_the_next_message(page: Page, server: PageServer) -> None:
    answering = await ask(page, server, "Draw a fox")
    await answering.finish("Here:", Attachment("fox.png", "image/png", picture("orange"), alt="A fox"))
    shown = page.get_by_role("button", name="Enlarge: A fox")
    await shown.drag_to(page.locator("main"), target_position={"x": 300, "y": 500})
    await expect(page.locator(".chip")).to_have_text(re.compile("fox.png"))
    await page.get_by_role("textbox", name="Message").fill("And what is this?")
    await page.keyboard.press("Enter")
    question = await server.host.asked()
    (sent,) = question.attachments
    assert await server.adapter.read(question.channel, sent, 10_000) == picture("orange")


async def test_a_picture_that_is_looked_at_can_be_saved(page: Page, server: PageServer) -> None:
    answering = await ask(page, server, "Draw a fox")
    await answering.finish("Here:", Attachment("fox.png", "image/png", picture("orange"), alt="A fox"))
    await page.get_by_role("button", name="Enlarge: A fox").click()
    async with page.expect_download() as download:
        await page.get_by_role("dialog", name="Picture").get_by_role("link", name="Save").click()
    assert (await download.value).suggested_filename == "fox.png"


async def test_spoken_answers_play_and_subtitles_are_saved(page: Page, server: PageServer) -> None:
    answering = await ask(page, server, "Read it to me")
    await answering.finish(
        "Here:",
        Attachment("answer.wav", "audio/wav", wav(tone(0.7)), waveform=bytes(20)),
        Attachment("talk.srt", "application/x-subrip", b"1\n00:00:00,000 --> 00:00:01,000\nHello\n"),
        Attachment("talk.vtt", "text/vtt", b"WEBVTT\n"),
    )
    player = page.get_by_role("group", name="answer.wav")
    await player.get_by_role("button", name="Play").click()
    await expect(player.get_by_role("button", name="Pause")).to_be_visible()
    await expect(player.get_by_role("button", name="Play")).to_be_visible()  # at its end
    for name in ("talk.srt", "talk.vtt"):
        async with page.expect_download() as download:
            await page.get_by_role("link", name=re.compile(f"Save {name}")).click()
        assert (await download.value).suggested_filename == name
