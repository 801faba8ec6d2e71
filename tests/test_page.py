"""The page, as a person uses it: a real headless Chromium, clicking, typing, dropping, recording."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from tests.browser import Visit, find_chromium, visiting
from tests.echo_host import Answering, PageServer, serving
from tests.page_visitor import PNG, visitor

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


async def ask(page: Page, server: PageServer, text: str = "Why is the sea salty?") -> Answering:
    """Type and press Enter; the answer is the test's to give."""
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")
    return await server.answering()


async def test_a_person_asks_and_watches_the_answer_grow(page: Page, server: PageServer) -> None:
    await expect(page.get_by_role("heading", name="What’s on your mind?")).to_be_visible()
    assert "token" not in page.url  # nobody who looks over a shoulder reads it there
    answering = await ask(page, server)
    await expect(page.locator(".message.user")).to_have_text(re.compile("Why is the sea salty?"))
    await expect(page.locator(".typing")).to_be_visible()
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    answer = page.locator("article.assistant .body")
    lengths = []
    for text in (
        "Because **ra",
        "Because **rain** dissolves rock",
        "Because **rain** dissolves rock.\n\n- rivers\n- se",
    ):
        await answering.show(text)
        await expect(answer).to_contain_text(text.rpartition("*")[2].rpartition(" ")[2].strip("- "))
        lengths.append(len(await answer.inner_text()))
        await expect(page.locator(".typing")).to_be_hidden()
    assert lengths == sorted(lengths)  # a slow page may show two steps as one
    assert lengths[0] < lengths[-1]
    await expect(page.locator("article.assistant")).to_have_attribute("aria-busy", "true")
    await answering.finish("Because **rain** dissolves rock.\n\n- rivers\n- sea", footer="From a test")
    await expect(page.locator("article.assistant")).to_have_attribute("aria-busy", "false")
    await expect(answer.locator("strong")).to_have_text("rain")
    await expect(answer.locator("li")).to_have_text(["rivers", "sea"])
    await expect(page.get_by_text("From a test")).to_be_visible()
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    await expect(page.get_by_role("textbox", name="Message")).to_be_focused()
    await expect(page).to_have_title("Why is the sea salty? · Parley")


async def test_an_answer_is_read_out_once_when_it_is_whole(page: Page, server: PageServer) -> None:
    live = page.locator("[aria-live]")
    await expect(live).to_have_attribute("aria-live", "polite")
    answering = await ask(page, server)
    await expect(live).to_have_text("Parley is writing")
    await answering.show("Salt comes")
    await expect(page.locator("article.assistant")).to_contain_text("Salt comes")
    await expect(live).to_have_text("Parley is writing")
    await answering.finish("Salt comes from rock.")
    await expect(live).to_have_text("Parley: Salt comes from rock.")


async def test_everything_a_model_can_write_is_shown_and_none_of_it_runs(page: Page, server: PageServer) -> None:
    answering = await ask(page, server)
    await answering.finish(
        "# Title\n\n<script>window.hacked = 1</script><img src=x onerror='window.hacked=1'>\n\n"
        "| a | b |\n|---|--:|\n| 1 | 2 |\n\n```python\nprint(1)\n```\n\n"
        "![cat](https://tracker.example/cat.png) [bank](https://evil.example/) [x](javascript:window.hacked=1)"
    )
    body = page.locator("article.assistant .body")
    await expect(body.get_by_role("heading", name="Title")).to_be_visible()
    await expect(body).to_contain_text("<script>window.hacked = 1</script>")
    await expect(body.locator("table td")).to_have_text(["1", "2"])
    await expect(body.locator("img, script")).to_have_count(0)
    link = body.get_by_role("link", name="bank")
    assert await link.get_attribute("rel") == "noopener noreferrer nofollow"
    shown_beside = await link.evaluate("(link) => getComputedStyle(link, '::after').content")
    assert "evil.example" in shown_beside
    assert not await page.evaluate("window.hacked")


async def test_code_can_be_copied(visit: Visit, page: Page, server: PageServer) -> None:
    await visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answering = await ask(page, server)
    await answering.finish("Run `this`:\n\n```sh\necho 'a  b'\n```\n")
    await page.get_by_role("button", name="Copy the code").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "echo 'a  b'\n"
    await page.get_by_role("button", name="Copy the answer").click()
    await expect(page.get_by_role("button", name="Copied")).to_have_count(2)
    assert (await page.evaluate("navigator.clipboard.readText()")).startswith("Run `this`:")


async def test_what_is_selected_in_an_answer_stays_selected_while_it_grows(page: Page, server: PageServer) -> None:
    answering = await ask(page, server)
    await answering.show("First paragraph.\n\nSecond\n\nThird\n")
    first = page.locator("article.assistant .body > p").first
    await first.select_text()
    for end in range(1, 20):
        await answering.show("First paragraph.\n\nSecond\n\nThird\n" + "and more " * end)
    await answering.finish("First paragraph.\n\nSecond\n\nThird\n" + "and more " * 20)
    await expect(page.locator("article.assistant")).to_have_attribute("aria-busy", "false")
    assert await page.evaluate("getSelection().toString().trim()") == "First paragraph."


async def test_stop_ends_an_answer_by_button_and_by_escape(page: Page, server: PageServer) -> None:
    answering = await ask(page, server)
    await answering.show("On and on")
    await expect(page.locator("article.running")).to_be_visible()
    await page.get_by_role("button", name="Stop").click()
    await server.host.told_to_stop()
    assert server.host.stopped[0][0] == answering.id
    await answering.finish("On and on\n\n(stopped)")
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()

    server.host._stop.clear()
    answering = await ask(page, server, "And again")
    await expect(page.get_by_role("button", name="Stop")).to_be_visible()  # before there is an answer, too
    await page.keyboard.press("Escape")
    await server.host.told_to_stop()
    assert server.host.stopped[1][0] == answering.question.id
    await answering.finish("(stopped)")
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()


async def test_the_conversation_is_there_again_after_a_reload(visit: Visit, page: Page, server: PageServer) -> None:
    answering = await ask(page, server)
    await answering.show("Half an ans")
    await expect(page.locator("article.assistant")).to_contain_text("Half an ans")
    await page.reload()
    await expect(page.locator("article.assistant")).to_contain_text("Half an ans")
    await answering.finish("Half an answer is not enough.")
    await expect(page.locator("article.assistant")).to_contain_text("not enough")
    await page.goto(server.address)  # the printed address leads to what was talked about last
    await expect(page.locator("article")).to_have_count(2)
    await expect(page.locator("article.assistant")).to_contain_text("not enough")


async def test_what_was_being_written_survives_a_reload(page: Page) -> None:
    await page.get_by_role("textbox", name="Message").fill("Half a question")
    await page.reload()
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("Half a question")


@pytest.mark.parametrize("early", ["written", "sent"])
async def test_whoever_writes_before_the_page_has_loaded_loses_nothing(
    page: Page, server: PageServer, early: str
) -> None:
    await (await ask(page, server, "An earlier conversation")).finish("Yes.")
    loading = asyncio.Event()

    async def hold(route: Route) -> None:
        await loading.wait()
        await route.continue_()

    await page.route("**/api/rooms", hold)
    await page.goto("about:blank")
    await page.goto(server.address)
    box = page.get_by_role("textbox", name="Message")
    await box.fill("Quick")
    if early == "sent":
        await page.keyboard.press("Enter")
        await (await server.answering()).finish("Quicker")
    loading.set()
    await expect(page.get_by_role("link", name="An earlier conversation")).to_be_visible()
    if early == "written":
        await expect(box).to_have_value("Quick")
    else:
        await expect(page.locator("article .body")).to_have_text(["Quick", "Quicker"])


async def test_shift_enter_begins_a_line_and_the_box_grows(page: Page, server: PageServer) -> None:
    box = page.get_by_role("textbox", name="Message")
    await box.focus()
    height = (await box.bounding_box() or {})["height"]
    await page.keyboard.type("one")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("two")
    await page.keyboard.press("Shift+Enter")
    await page.keyboard.type("three")
    assert (await box.bounding_box() or {})["height"] > height
    await page.keyboard.press("Enter")
    assert (await server.host.asked()).text == "one\ntwo\nthree"
    assert (await box.bounding_box() or {})["height"] == height


async def test_a_failed_answer_is_shown_like_any_other(page: Page, server: PageServer) -> None:
    answering = await ask(page, server)
    await answering.show("So far so g")
    await answering.finish("So far so g\n\nSomething went wrong on my side (reference 3fa2c1).")
    await expect(page.locator("article.assistant")).to_contain_text("reference 3fa2c1")
    await expect(page.get_by_role("button", name="Stop")).to_be_hidden()


async def test_the_page_comes_back_by_itself_when_the_server_does(browser: Browser, tmp_path: Path) -> None:
    first = PageServer(tmp_path / "parley")
    await first.start()
    port = first.adapter.port
    async with visiting(browser, first.address) as visit:
        page = visit.page
        visit.expected += ["WebSocket", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
        answering = await ask(page, first)
        await answering.show("Half an ans")
        await expect(page.locator("article.running")).to_be_visible()
        await first.stop()
        await expect(page.get_by_role("alert")).to_contain_text("The connection to Parley is lost.")
        await page.get_by_role("textbox", name="Message").fill("Are you there?")
        await page.keyboard.press("Enter")
        await expect(page.locator("#problem")).to_contain_text("Parley cannot be reached.")
        await expect(page.get_by_role("textbox", name="Message")).to_have_value("Are you there?")

        second = PageServer(tmp_path / "parley")
        await second.start(port)
        try:
            again = Answering(second.adapter, answering.question)
            again.id = answering.id
            await again.finish("Half an answer, and the rest of it.")
            await expect(page.locator("article.assistant")).to_contain_text("and the rest of it")
            await expect(page.locator("#banner")).to_be_hidden()
            await page.get_by_role("button", name="Try again").click()
            assert (await second.host.asked()).text == "Are you there?"
            await expect(page.locator("article.user")).to_have_count(2)
            assert visit.complaints == []
        finally:
            await second.stop()


async def test_a_page_whose_key_was_changed_says_what_to_open(browser: Browser, tmp_path: Path) -> None:
    first = PageServer(tmp_path / "parley", web_token="the first token")
    await first.start()
    port = first.adapter.port
    async with visiting(browser, first.address) as visit:
        await expect(visit.page.locator("#welcome")).to_be_visible()
        await first.stop()
        second = PageServer(tmp_path / "parley", web_token="the second token")
        await second.start(port)
        try:
            await expect(visit.page.get_by_role("alert")).to_contain_text("Open the address that “parley run” printed.")
        finally:
            await second.stop()


async def test_without_the_key_a_person_reads_what_to_do(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.origin) as visit:
        await expect(visit.page.get_by_role("heading")).to_have_text("This page needs its key")
        await expect(visit.page.locator("main")).to_contain_text("parley run")
        visit.expected.append("401")
        assert visit.complaints == []


async def test_a_page_can_begin_rename_and_delete_conversations(page: Page, server: PageServer) -> None:
    await (await ask(page, server, "The first one")).finish("Yes.")
    await expect(page.locator("article.assistant")).to_have_count(1)
    await page.get_by_role("button", name="New conversation").click()
    await expect(page.locator("#welcome")).to_be_visible()
    await (await ask(page, server, "The second one")).finish("Indeed.")
    rooms = page.get_by_role("navigation", name="Conversations")
    await expect(rooms.get_by_role("link")).to_have_text(["The second one", "The first one"])
    await expect(rooms.locator("[aria-current=page]")).to_have_text("The second one")

    await rooms.get_by_role("button", name="Rename “The second one”").click()
    await page.get_by_role("textbox", name="Name of the conversation").fill("Renamed")
    await page.keyboard.press("Enter")
    await expect(rooms.get_by_role("link", name="Renamed")).to_be_focused()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Renamed")

    await rooms.get_by_role("link", name="The first one").click()
    await expect(page.locator("article.assistant")).to_contain_text("Yes.")
    await page.go_back()
    await expect(page.locator("article.assistant")).to_contain_text("Indeed.")

    await rooms.get_by_role("button", name="Delete “Renamed”").click()
    confirm = page.get_by_role("dialog", name="Delete this conversation?")
    await confirm.get_by_role("button", name="Keep it").click()
    await expect(rooms.get_by_role("link")).to_have_count(2)
    await rooms.get_by_role("button", name="Delete “Renamed”").click()
    await confirm.get_by_role("button", name="Delete").click()
    await expect(rooms.get_by_role("link")).to_have_text(["The first one"])
    await expect(page.locator("#welcome")).to_be_visible()
    assert len(server.host.removed) == 1


async def test_two_windows_show_the_same(browser: Browser, visit: Visit, page: Page, server: PageServer) -> None:
    answering = await ask(page, server, "Hello from the first")
    async with visiting(browser, server.address) as second:
        await expect(second.page.locator("article.user")).to_contain_text("Hello from the first")
        await answering.finish("Hello to both")
        for window in (page, second.page):
            await expect(window.locator("article.assistant")).to_contain_text("Hello to both")
        await second.page.get_by_role("button", name="New conversation").click()
        other = await ask(second.page, server, "Something else")
        await other.finish("Done elsewhere")
        await expect(page.get_by_role("link", name=re.compile(r"Something else.*new answer"))).to_be_visible()
        await second.page.get_by_role("button", name=re.compile("Delete “Hello")).click()
        await second.page.get_by_role("button", name="Delete", exact=True).click()
        await expect(page.locator("#welcome")).to_be_visible()
        assert second.complaints == []


async def test_an_answer_that_comes_late_says_what_it_answers(page: Page, server: PageServer) -> None:
    first = await ask(page, server, "What is the first question?")
    second = await ask(page, server, "And what is the second?")
    await first.finish("The first answer")
    await second.finish("The second answer")
    await expect(page.locator("article.assistant")).to_have_count(2)
    await expect(page.locator("article.assistant .quote")).to_have_text(
        ["In reply to “What is the first question?”", "In reply to “And what is the second?”"]
    )


async def test_the_first_screen_offers_what_really_happens(page: Page, server: PageServer) -> None:
    await page.get_by_role("button", name="Have one drawn").click()
    assert "Draw a fox" in (await server.host.asked()).text
    await page.get_by_role("button", name="New conversation").click()
    await page.get_by_role("button", name="Talk something through").click()
    assert "sea salty" in (await server.host.asked()).text
    await page.get_by_role("button", name="New conversation").click()
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Show a picture").click()
    await (await chooser.value).set_files([{"name": "sea.png", "mimeType": "image/png", "buffer": PNG}])
    await expect(page.locator(".chip")).to_have_count(1)
    await page.get_by_role("button", name="Say it aloud").click()
    await expect(page.get_by_role("timer")).to_be_visible()
    await page.get_by_role("button", name="Discard").click()


async def test_the_page_says_what_is_on_and_what_to_set_for_the_rest(browser: Browser, server: PageServer) -> None:
    async with visiting(browser, server.address) as visit:
        await visit.page.get_by_role("button", name="gpt-test at 127.0.0.1").click()
        about = visit.page.get_by_role("dialog", name="What is on")
        await expect(about).to_contain_text("gpt-test at 127.0.0.1")
        await expect(about).to_contain_text("Set DISCORD_TOKEN to answer on Discord.")
        await expect(about).to_contain_text("Draw a picture.")
        await expect(about).to_contain_text("Parley 0.1.0")
        await visit.page.keyboard.press("Escape")
        await expect(about).to_be_hidden()
        await expect(visit.page.get_by_text("practice model")).to_have_count(0)
        assert visit.complaints == []
    server.status["practice"] = True
    async with visiting(browser, server.address) as visit:
        await expect(visit.page.get_by_role("button", name="Practice model")).to_be_visible()
        await expect(visit.page.locator("#welcome")).to_contain_text("set OPENAI_API_KEY and start Parley again")
        assert visit.complaints == []


async def test_the_page_follows_an_answer_until_a_person_scrolls_away(page: Page, server: PageServer) -> None:
    answering = await ask(page, server)
    scroller = page.locator("#scroller")
    long = "\n\n".join(f"Paragraph {number}, which has some words." for number in range(60))
    await answering.show(long)
    await expect(page.get_by_text("Paragraph 59,")).to_be_in_viewport()
    await scroller.hover()
    await page.mouse.wheel(0, -900)
    await expect(page.get_by_role("button", name="Newest")).to_be_visible()
    place = await scroller.evaluate("(element) => element.scrollTop")
    await answering.show(long + "\n\n" + long)
    await expect(page.locator("article.assistant .body > p")).to_have_count(120)
    assert await scroller.evaluate("(element) => element.scrollTop") == place
    await page.get_by_role("button", name="Newest").click()
    await answering.finish(long + "\n\n" + long + "\n\nThe very last.")
    await expect(page.get_by_text("The very last.")).to_be_in_viewport()
    await expect(page.get_by_role("button", name="Newest")).to_be_hidden()


async def test_a_long_conversation_can_be_followed_back(page: Page, server: PageServer) -> None:
    first = await ask(page, server, "Question 0")
    await first.finish("Answer 0")
    for number in range(1, 40):
        answering = Answering(server.adapter, first.question)
        await answering.finish(f"Answer {number}")
        again = Answering(server.adapter, first.question)
        await again.finish(f"Answer {number} again")
    await page.reload()
    await expect(page.locator("article")).to_have_count(60)
    await expect(page.get_by_text("Answer 39 again")).to_be_in_viewport()
    await page.get_by_role("button", name="Show earlier messages").click()
    await expect(page.locator("article")).to_have_count(80)
    await expect(page.get_by_role("button", name="Show earlier messages")).to_be_hidden()
    texts = await page.locator("article .body").all_inner_texts()
    assert texts[:3] == ["Question 0", "Answer 0", "Answer 1"]
    assert texts[-1] == "Answer 39 again"
    # A reply leads to what it replies to, however far back that is.
    async with visitor(server) as someone:
        await someone.say("And that one?", room=first.question.channel.id, new=False, reply=first.question.id)
    await page.reload()
    await expect(page.locator("article")).to_have_count(60)
    await page.get_by_role("button", name="In reply to “Question 0”").click()
    await expect(page.locator("article.found .body")).to_have_text("Question 0")
    await expect(page.locator("article.found")).to_be_in_viewport()
    # So does the address of a message.
    await page.goto(server.adapter.link(first.question.channel, first.question.id))
    await page.reload()
    await expect(page.locator("article.found .body")).to_have_text("Question 0")
    # And a link to one in an answer, in the same window.
    last = Answering(server.adapter, first.question)
    await last.finish(f"You heard it here: {server.adapter.link(first.question.channel, again.id)}")
    await page.get_by_role("link", name="that message").click()
    await expect(page.locator("article.found .body")).to_have_text("Answer 39 again")
    assert len(page.context.pages) == 1
