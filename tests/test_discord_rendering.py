"""Tables, formulas and very long answers, as they can be read on Discord."""

from bot.adapter import Limits
from bot.adapters.discord.formulas import illustrated
from bot.adapters.discord.rendering import rendered
from bot.config import Config
from bot.markup import length
from bot.testing import FakeAdapter, ScriptedModel
from storage import Store
from tests.room import Room


def test_a_table_stands_in_columns() -> None:
    table = "Look:\n\n| Name | *Age* | 名前 |\n|:--|--:|:-:|\n| **Ada** | 36 | 愛田 |\n| `Bob` | 7 | x \\| y |\n\nSo."
    assert rendered(table) == (
        "Look:\n\n```\nName │ Age │ 名前\n─────┼─────┼──────\nAda  │  36 │ 愛田\nBob  │   7 │ x | y\n```\n\nSo."
    )


def test_a_table_that_is_wider_than_a_window_becomes_a_list() -> None:
    long = "a very long explanation of what it does " * 2
    table = f"| Tool | What it does | Price |\n|---|---|---|\n| **Axe** | {long} | 7 |\n| Saw | | 9 |"
    assert rendered(table) == (f"- **Axe**\n  - What it does: {long.strip()}\n  - Price: 7\n- **Saw**\n  - Price: 9")


def test_what_is_no_table_stays_as_it_is() -> None:
    for text in (
        "a | b",
        "a | b\nc | d",
        "```\n| a | b |\n|---|---|\n| 1 | 2 |\n```",
        "---\n\nA line.\n\n---",
        "~~~md\n| a |\n|---|\n~~~\n`\\(x\\)`",
        "| a | b |\n|---|",
    ):
        assert rendered(text) == text


def test_a_table_is_shown_while_it_is_still_being_written() -> None:
    assert rendered("| a | b |\n|---|---|") == "```\na │ b\n──┼──\n```"
    assert rendered("| a | b |\n|---|---|\n| 1") == "```\na │ b\n──┼──\n1 │\n```"


def test_a_formula_in_a_line_is_written_in_plain_signs() -> None:
    assert rendered("So \\(x^2 + y_i \\leq \\frac{a+1}{2}\\), that is.") == "So x² + yᵢ ≤ (a+1)/2, that is."
    assert rendered("\\(\\sqrt{2} \\times \\alpha^{ab}\\)") == "√2 × α^(ab)"


async def test_formulas_that_stand_alone_become_a_picture_with_their_source_as_its_description() -> None:
    text = "First\n\n$$\\frac{a}{b}$$\n\nthen \\[ x^2 \\]\n\n```tex\n$$code$$\n```\nand `$$more$$`, $5 and $6."
    shown, pictures = await illustrated(text)
    assert shown == "First\n\n**(1)**\n\nthen **(2)**\n\n```tex\n$$code$$\n```\nand `$$more$$`, $5 and $6."
    [picture] = pictures
    assert picture.data.startswith(b"\x89PNG")
    assert picture.alt == "(1) \\frac{a}{b}\n(2) x^2"


async def test_a_formula_that_is_none_stays_as_it_was_written() -> None:
    assert await illustrated("Cost: $$\\frac{a}{$$ and no more") == ("Cost: $$\\frac{a}{$$ and no more", ())
    shown, pictures = await illustrated("$$\\frac{a}{$$ but $$x$$")
    assert (shown, len(pictures)) == ("$$\\frac{a}{$$ but **(1)**", 1)
    assert (await illustrated("$$" + "x" * 5000 + "$$"))[1] == ()


async def test_a_flood_of_text_ends_in_a_file_with_all_of_it(config: Config, store: Store) -> None:
    whole = "\n\n".join(f"Paragraph {number}: " + "word " * 60 for number in range(60)).strip()
    adapter = FakeAdapter(config, store, Limits(pace=0.0, typing=60.0, messages=5, buttons=5))
    async with Room(config, store, model=ScriptedModel(whole), adapter=adapter) as room:
        shown = await room.ask_for_all("Tell me everything.")
    assert len(shown) == 5
    assert shown[0].text.startswith("Paragraph 0")
    assert all(length(reply.text) <= 2000 for reply in shown)
    [file] = shown[-1].attachments
    assert (file.name, file.data.decode().split()) == ("answer.md", whole.split())
    assert "the whole answer is in the file" in shown[-1].footer
    assert shown[-1].buttons
