"""Markdown on the page: what a model writes may look good, but can do nothing."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.adapters.web.rendering import Rendered, grow, render


def html(text: str) -> str:
    return "".join(render(text))


def test_an_answer_is_shown_with_its_headings_lists_tables_and_code() -> None:
    shown = html(
        "# Salt\n\nIt is **old** and ~~new~~ `x<y`.\n\n1. rain\n2. rivers\n\n| a | b |\n|--|--:|\n| 1 | 2 |\n\n"
        "```python\nprint('<b>')\n```\n"
    )
    assert "<h3>Salt</h3>" in shown  # below the headings of the page
    assert "<strong>old</strong> and <s>new</s> <code>x&lt;y</code>" in shown
    assert "<ol>\n<li>rain</li>" in shown
    assert '<td class="right">2</td>' in shown
    assert "<pre data-language=\"python\"><code>print('&lt;b&gt;')\n</code></pre>" in shown


def test_a_line_end_in_an_answer_is_a_line_end_on_the_page() -> None:
    assert "roses<br />\nviolets" in html("roses\nviolets")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "a <b onclick='x'>b</b>",
        "<!-- hidden -->",
        '<iframe src="https://evil.example"></iframe>',
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java&#115;cript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "[x](file:///etc/passwd)",
        "[x](/api/rooms)",
        "[x](//evil.example/x)",
        "<javascript:alert(1)>",
        "![x](javascript:alert(1))",
        "![x](data:image/svg+xml;base64,AAAA)",
        "![x](/api/files/1)",
        "[x]: javascript:alert(1)\n\n[x]",
        '```x" onmouseover="alert(1)\ncode\n```',
        '| a |\n|:-:|\n| <b style="position:fixed">b</b> |',
    ],
)
def test_nothing_in_an_answer_can_run_load_or_lead_astray(text: str) -> None:
    shown = html(text)
    tags = set(re.findall(r"<\s*/?\s*([a-z0-9]+)", shown))
    assert tags <= {"p", "pre", "code", "div", "table", "thead", "tbody", "tr", "th", "td", "a", "br"}
    assert not re.search(r"<[^>]*\s(on\w+|style|src)\s*=", shown)
    assert all(re.match(r"https?://|mailto:", target) for target in re.findall(r'href="([^"]*)"', shown))


def test_a_picture_from_elsewhere_is_a_link_to_it_and_is_not_loaded() -> None:
    shown = html("![a cat](https://tracker.example/cat.png?secret=1)")
    assert "<img" not in shown
    assert 'href="https://tracker.example/cat.png?secret=1"' in shown
    assert ">a cat</a>" in shown
    assert 'data-host="tracker.example"' in shown


def test_a_link_tells_nothing_of_the_page_it_was_on() -> None:
    assert 'target="_blank" rel="noopener noreferrer nofollow"' in html("[x](https://a.example)")


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("[your bank](https://evil.example/login)", "evil.example"),
        ("[https://bank.example](https://evil.example)", "evil.example"),
        ("[bank.example.evil](https://bank.example.evil.example)", "bank.example.evil.example"),
        ("[https://bank.example@evil.example](https://bank.example@evil.example)", "evil.example"),
        ("[bank.example](https://bank.example/)", None),
        ("https://bank.example/login", None),
        ("<https://bank.example>", None),
    ],
)
def test_a_link_whose_words_hide_where_it_leads_says_so(text: str, host: str | None) -> None:
    assert re.findall(r'data-host="([^"]*)"', html(text)) == ([host] if host else [])


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("see https://a.example/b.", "https://a.example/b"),
        ("(https://a.example/b)", "https://a.example/b"),
        ("https://a.example/b_(c), and", "https://a.example/b_(c)"),
        ("**https://a.example/b**", "https://a.example/b"),
        ("the words (https://a.example/x?y=1&z=2)!", "https://a.example/x?y=1&amp;z=2"),
    ],
)
def test_an_address_in_an_answer_can_be_clicked(text: str, address: str) -> None:
    assert f'href="{address}"' in html(text)


def test_an_address_in_code_stays_code() -> None:
    assert "<a" not in html("`https://a.example` and\n\n```\nhttps://b.example\n```")


FRAGMENTS = st.sampled_from(
    [
        "# Heading\n",
        "words and **more** words ",
        "\n",
        "\n\n",
        "- item\n",
        "  - inner\n",
        "1. one\n",
        "```py\n",
        "```\n",
        "    indented\n",
        "| a | b |\n|---|---|\n",
        "| 1 | 2 |\n",
        "> quoted\n",
        "---\n",
        "===\n",
        "<b>",
        "[x](https://a.example) ",
        "https://b.example/c ",
        "~~~\n",
        "\t",
        "\r\n",
        "\\",
        "`",
        "*",
    ]
)


@example(fragments=["- item\n", "*", "# Heading\n"], step=1)
@settings(deadline=None)  # a busy machine is no mistake
@given(st.lists(FRAGMENTS, max_size=30), st.integers(1, 9))
def test_an_answer_looks_the_same_however_it_grew(fragments: list[str], step: int) -> None:
    text = "".join(fragments)
    shown: list[str] = []
    before = Rendered()
    for end in [*range(step, len(text), step), len(text)]:
        keep, before = grow(before, text[:end])
        shown[keep:] = before.blocks[keep:]
        assert shown == list(before.blocks)
    assert shown == list(render(text))


def test_only_the_end_of_a_growing_answer_is_drawn_again() -> None:
    text = "\n\n".join(f"Paragraph {number}." for number in range(200))
    _, before = grow(Rendered(), text)
    keep, after = grow(before, text + " And more.")
    assert keep == 198  # the last line may still turn into a part of the paragraph above it
    assert after.blocks[-1] == "<p>Paragraph 199. And more.</p>\n"


def test_an_answer_that_begins_anew_is_drawn_anew() -> None:
    _, before = grow(Rendered(), "One.\n\nTwo.\n\nThree.")
    assert grow(before, "Something else.")[0] == 0
