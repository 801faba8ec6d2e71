"""What a person does with answers on the page: buttons, replies. A real browser, and the whole bot behind the page."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from bot.messages import Channel
from tests.browser import Visit, faint, find_chromium, nameless, sideways, visiting
from tests.page_bot import Harbour, PageBot, bot_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(find_chromium() is None, reason="there is no Chromium on this machine"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageBot]:
    async with bot_page(tmp_path_factory.mktemp("page") / "parley") as bot:
        yield bot


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, bot: PageBot) -> AsyncIterator[Visit]:
    """A page with a new conversation."""
    bot.model.says = [lambda prompts: f"You said: {prompts[-1].text}"]
    async with visiting(browser, f"{bot.address}#/new") as visit:
        yield visit
        assert visit.complaints == []


@pytest.fixture
def page(visit: Visit) -> Page:
    return visit.page


async def say(page: Page, text: str) -> Locator:
    """Say something, and wait for the whole answer."""
    await page.get_by_role("textbox", name="Message").fill(text)
    await page.keyboard.press("Enter")
    return await answered(page)


async def answered(page: Page) -> Locator:
    """The newest answer, once everything that was said is answered."""
    await expect(page.locator(".typing")).to_be_hidden()
    await expect(page.locator("article").last).to_have_class(re.compile("assistant"))
    await expect(page.locator("article[aria-busy=true]")).to_have_count(0)
    answers = page.locator("article.assistant")
    return answers.nth(await answers.count() - 1)


async def test_an_answer_is_given_anew_in_its_place(page: Page, bot: PageBot) -> None:
    bot.model.says = ["The **first** answer.", "The *second* answer."]
    answer = await say(page, "Say something.")
    await answer.get_by_role("button", name="Answer anew").press("Enter")  # the keyboard will do
    await expect(answer.locator(".body")).to_have_text("The second answer.")
    await expect(page.locator("article")).to_have_count(2)
    await expect(answer.get_by_role("button", name="Answer anew")).to_be_focused()
    await page.reload()
    await expect(page.locator("article.assistant .body")).to_have_text("The second answer.")


async def test_thumbs_stay_down_and_are_thanked_for(page: Page, bot: PageBot) -> None:
    answer = await say(page, "Hello")
    good = answer.get_by_role("button", name="A good answer")
    bad = answer.get_by_role("button", name="A bad answer")
    await good.click()
    await expect(good).to_have_attribute("aria-pressed", "true")
    await expect(answer.locator(".remark")).to_have_text("Thank you for telling me.")
    await expect(page.locator("[aria-live]")).to_have_text("Thank you for telling me.")
    await bad.click()
    await expect(bad).to_have_attribute("aria-pressed", "true")
    await expect(good).to_have_attribute("aria-pressed", "false")
    why = answer.get_by_role("textbox", name="What was wrong with it?")
    await expect(why).to_be_focused()
    await why.fill("It only repeats what I say.")
    await page.keyboard.press("Enter")
    await expect(why).to_have_count(0)
    await expect(bad).to_be_focused()
    await page.reload()
    await expect(bad).to_have_attribute("aria-pressed", "true")


async def test_a_skills_button_goes_on_from_its_answer_also_after_a_restart(
    visit: Visit, page: Page, bot: PageBot
) -> None:
    visit.expected += ["WebSocket", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE"]
    first = await say(page, "paint teal")
    await expect(first.get_by_role("group", name="What can follow").get_by_role("button")).to_have_text(
        ["Variations", "Undo"]
    )
    await first.get_by_role("button", name="Variations").click()
    await expect(page.locator("article.assistant")).to_have_count(2)
    second = await answered(page)
    await expect(second.locator(".body")).to_contain_text("Here it is in orange, which was teal")
    port = bot.adapter.port
    await bot.stop()
    await bot.start(port)
    await page.reload()
    await second.get_by_role("button", name="Undo").click()
    await expect(page.locator("article.assistant")).to_have_count(3)
    await expect(page.locator("article.assistant").last.locator(".body")).to_contain_text("grey, which was orange")


async def test_an_answer_that_is_too_old_for_its_buttons_says_so(page: Page, bot: PageBot) -> None:
    answer = await say(page, "paint teal")
    await bot.dispatch.deleted(bot.adapter_channel(page.url), [await bot.question_of(page.url)])
    await answer.get_by_role("button", name="Variations").click()
    await expect(answer.locator(".remark")).to_contain_text("too old for its buttons")
    await expect(page.locator(".typing")).to_be_hidden()
    await expect(page.locator("article")).to_have_count(2)


async def test_a_reply_to_a_picture_is_about_that_picture(page: Page, bot: PageBot) -> None:
    first = await say(page, "paint teal")
    await say(page, "And something else?")
    await first.hover()
    await first.get_by_role("button", name="Reply to this").click()
    box = page.get_by_role("textbox", name="Message")
    await expect(box).to_be_focused()
    await expect(page.locator("#replying")).to_contain_text("In reply to Parley: “Here it is in teal")
    await expect(page.locator("#replying img")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#replying")).to_be_hidden()
    await first.get_by_role("button", name="Reply to this").press("Enter")
    await page.keyboard.type("make it red")
    await page.keyboard.press("Enter")
    await expect(page.locator("article.assistant")).to_have_count(3)
    answer = await answered(page)
    await expect(answer.locator(".body")).to_have_text("Here it is in red, which was teal. I looked at 1.")
    question = page.locator("article.user").last
    await expect(page.locator("#replying")).to_be_hidden()
    await page.reload()
    await question.get_by_role("button", name="In reply to Parley").click()
    await expect(first).to_have_class(re.compile("found"))


async def test_a_reply_quotes_what_it_replies_to(page: Page, bot: PageBot) -> None:
    await say(page, "My boat is called Nutshell.")
    await say(page, "Something else")
    question = page.locator("article.user").first
    await question.hover()
    await question.get_by_role("button", name="Reply to this").click()
    await page.keyboard.type("What was that?")
    await page.keyboard.press("Enter")
    await expect(page.locator("article.assistant")).to_have_count(3)
    await answered(page)
    asked = bot.model.asked[-1][-1].text
    assert "> My boat is called Nutshell." in asked
    assert "\n\nWhat was that?" in asked


async def test_a_command_is_found_filled_in_and_called(page: Page, bot: PageBot) -> None:
    await expect(page.get_by_role("button", name="Commands")).to_be_visible()
    box = page.get_by_role("textbox", name="Message")
    await box.focus()
    await page.keyboard.type("/")
    found = page.get_by_role("listbox", name="Commands").get_by_role("option")
    await expect(found).to_have_text(["/chat Talk about anything.", "/paint Paint a picture in one colour."])
    await page.keyboard.press("ArrowDown")
    await expect(found.nth(1)).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(found).to_have_count(0)
    asked = page.get_by_role("group", name="What “paint” asks for")
    await expect(box).to_be_focused()
    await expect(box).to_have_attribute("placeholder", "The colour to paint in")
    await page.keyboard.type("teal")
    await asked.get_by_label("Size").select_option("Wide")
    await asked.get_by_label("Count").fill("12")
    await box.press("Enter")
    await expect(asked.get_by_role("alert")).to_have_text("This has to be a whole number from 1 to 9.")
    await expect(asked.get_by_label("Count")).to_be_focused()
    await asked.get_by_label("Count").fill("2")
    await box.press("Enter")
    answer = await answered(page)
    await expect(page.locator("article.user .body")).to_have_text("/paint size=wide count=2 teal")
    await expect(answer.locator(".body")).to_contain_text("in teal, wide.")
    await expect(answer.get_by_role("img", name="All teal")).to_have_count(2)
    await expect(asked).to_be_hidden()
    await expect(page.get_by_role("heading", level=1)).to_have_text("paint teal")
    await expect(box).to_have_attribute("placeholder", re.compile("^Ask, show or say"))


async def test_a_command_can_be_put_away_again(page: Page, bot: PageBot) -> None:
    await page.get_by_role("button", name="Commands").click()
    await page.get_by_role("option", name="/paint").click()
    asked = page.get_by_role("group", name="What “paint” asks for")
    await expect(asked).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(asked).to_be_hidden()
    await page.keyboard.type("/p")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("listbox")).to_be_hidden()
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("/p")


async def test_a_message_has_a_menu_of_what_works_on_it(page: Page, bot: PageBot) -> None:
    first = await say(page, "paint teal")
    await page.get_by_role("textbox", name="Message").fill("half a thou")
    await first.get_by_role("button", name="More to do with this").press("Enter")
    menu = page.get_by_role("menu", name="More to do with this")
    await expect(menu.get_by_role("menuitem")).to_have_text(["Ask about this", "Paint it"])
    await expect(menu.get_by_role("menuitem", name="Ask about this")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(menu).to_be_hidden()
    await expect(first.get_by_role("button", name="More to do with this")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.locator("article.assistant")).to_have_count(2)
    answer = await answered(page)
    await expect(answer.locator(".body")).to_have_text("Here it is in navy, which was teal. I looked at 1.")
    asked = page.locator("article.user").last
    await expect(asked.locator(".body")).to_have_text("/paint")
    await expect(asked.locator(".quote")).to_contain_text("Here it is in teal")
    await expect(page.get_by_role("textbox", name="Message")).to_have_value("half a thou")


async def test_settings_are_made_for_one_conversation_or_for_all(page: Page, bot: PageBot) -> None:
    await say(page, "paint teal")
    await page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog", name="Settings")
    paint = dialog.get_by_role("region", name="paint")
    await dialog.get_by_label("Only “paint teal”").check()
    await paint.get_by_text("4 settings").click()
    most, save = paint.get_by_label("Most"), paint.get_by_role("button", name="Save")
    await expect(save).to_be_disabled()
    await most.fill("7")
    await save.click()
    await expect(paint.get_by_role("alert")).to_have_text("This has to be a whole number from 1 to 4.")
    await expect(most).to_be_focused()
    await most.fill("1")
    await paint.get_by_label("Kind").uncheck()
    await most.press("Enter")
    await expect(paint.get_by_role("status")).to_have_text("Saved.")
    await dialog.get_by_label("All conversations").check()
    await paint.get_by_text("4 settings").click()
    await expect(paint.get_by_label("Most")).to_have_value("2")  # elsewhere nothing has changed
    await dialog.get_by_label("Only “paint teal”").check()
    await paint.get_by_text("4 settings").click()
    await expect(paint.get_by_text("Set for this conversation only")).to_have_count(2)
    await paint.get_by_role("button", name="Kind: Use what goes for all").click()
    await expect(paint.get_by_role("switch", name="Kind")).to_be_checked()
    await expect(paint.get_by_text("Set for this conversation only")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    answer = await say(page, "paint teal count=2")
    await expect(answer).to_contain_text("I may paint 1 at once here.")


async def test_a_skill_is_switched_off_and_on(page: Page, bot: PageBot) -> None:
    await say(page, "Hello")
    await page.get_by_role("button", name="Settings").click()
    dialog = page.get_by_role("dialog", name="Settings")
    await dialog.get_by_label("Only “Hello”").check()
    on = dialog.get_by_role("switch", name="“paint” can be used")
    await on.uncheck()
    await expect(dialog.get_by_role("region", name="paint").get_by_role("status")).to_have_text("Saved.")
    await dialog.get_by_role("button", name="Close").click()
    answer = await say(page, "paint teal")
    await expect(answer).to_contain_text("“paint” is switched off")
    await page.get_by_role("button", name="Settings").click()
    await dialog.get_by_label("Only “Hello”").check()
    await expect(on).not_to_be_checked()
    await dialog.get_by_role("button", name="paint: Use what goes for all").click()
    await expect(on).to_be_checked()
    limits = dialog.get_by_role("region", name="limits")
    await expect(limits.get_by_role("heading")).to_have_text("limits")
    await expect(limits.get_by_role("switch")).to_have_count(0)


async def test_settings_are_made_for_a_channel_of_another_community(browser: Browser, tmp_path: Path) -> None:
    async with bot_page(tmp_path / "bot", elsewhere=Harbour) as bot, visiting(browser, bot.address) as visit:
        page = visit.page
        await page.get_by_role("button", name="Settings").click()
        dialog = page.get_by_role("dialog", name="Settings")
        await dialog.get_by_label("Where").select_option("Discord: The Harbour")
        await dialog.get_by_label("Channel").select_option("#art")
        paint = dialog.get_by_role("region", name="paint")
        await paint.get_by_text("6 settings").click()
        await paint.get_by_label("Who", exact=True).select_option("Moderators")
        painters = paint.get_by_role("button", name="painters")
        await painters.click()
        await paint.get_by_role("button", name="sailors").click()
        await paint.get_by_role("button", name="sailors").click()
        await paint.get_by_role("button", name="Save").click()
        await expect(paint.get_by_text("Set for this channel only")).to_have_count(2)
        await expect(painters).to_have_attribute("aria-pressed", "true")
        wrong = [*await faint(page), *await nameless(page), *await sideways(page)]
        await dialog.get_by_label("Channel").select_option("#general")
        await expect(paint.get_by_text("6 settings")).to_be_visible()
        await paint.get_by_text("6 settings").click()
        await expect(paint.get_by_label("Who", exact=True)).to_have_value("everybody")
        await dialog.get_by_label("Where").select_option("This page")
        await expect(paint.get_by_text("4 settings")).to_be_visible()
        assert (wrong, visit.complaints) == ([], [])
        chosen = await bot.dispatch.choices(Channel("discord", "2", "harbour"))
        assert (chosen["paint"]["who"], chosen["paint"]["besides"]) == ("moderators", "77")


async def test_all_this_can_be_read_and_has_names_by_day_by_night_and_on_a_phone(
    browser: Browser, bot: PageBot
) -> None:
    looks = ({"color_scheme": "light"}, {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}})
    for look in looks:
        async with visiting(browser, f"{bot.address}#/new", **look) as visit:
            page = visit.page
            await page.get_by_role("button", name="Commands").click()
            wrong = [*await faint(page), *await nameless(page), *await sideways(page)]
            await page.get_by_role("option", name="/paint").click()
            await page.get_by_label("Count", exact=True).fill("")
            await page.keyboard.press("Control+Enter")
            wrong += [*await faint(page), *await nameless(page), *await sideways(page)]
            await page.keyboard.press("Escape")
            answer = await say(page, "Hello")
            await answer.hover()
            await answer.get_by_role("button", name="A bad answer").click()
            await expect(answer.locator(".remark")).to_be_visible()
            await answer.get_by_role("button", name="Reply to this").click()
            wrong += [*await faint(page), *await nameless(page), *await sideways(page)]
            if look["color_scheme"] == "dark":
                await page.get_by_role("button", name="Open the list of conversations").click()
            await page.get_by_role("button", name="Settings").click()
            await page.get_by_role("region", name="paint").get_by_text("4 settings").click()
            wrong += [*await faint(page), *await nameless(page), *await sideways(page)]
            assert (wrong, visit.complaints) == ([], [])
