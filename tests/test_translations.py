"""The languages that people are spoken to in."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

from bot import translations
from bot.adapters.teams.own import TeamsSettings
from bot.forms import form_of
from bot.translations import languages, translate

BOT = Path(str(resources.files("bot")))
FILES = sorted(BOT.glob("locales/**/*.toml"))
MARKS = re.compile(r"\{\w*\}")
ASKS = {"translate": 0, "says": 0, "_said": 0, "_told": 0, "_sentence": 0, "Button": 1}  # which argument is a sentence


def sentences(path: Path) -> dict[str, str]:
    return dict(tomllib.loads(path.read_text("utf-8")))


def test_a_sentence_is_said_in_the_language_of_who_reads_it() -> None:
    assert translate("Publish", "de") == "Für alle zeigen"
    assert translate("Publish", "es-419") == translate("Publish", "es-ES") == "Mostrar a todos"
    assert translate("Publish", "fr_FR") == "Montrer à tous"
    assert translate("Publish", "en-GB") == translate("Publish", "xx") == translate("Publish", "") == "Publish"
    assert translate("Nobody has translated this.", "de") == "Nobody has translated this."
    assert {"en", "de", "fr", "es", "ja"} <= set(languages())


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "en"], ids=str)
def test_every_language_says_the_same_things(path: Path) -> None:
    ours, german = sentences(path), sentences(path.with_name("de.toml"))
    assert set(german) ^ set(ours) <= {"/parley", "@discord"}
    for english, said in ours.items():
        assert said.strip(), english
        assert all(mark in said for mark in (*MARKS.findall(english), "`/parley my-data`") if mark in english), english


@pytest.mark.parametrize("path", sorted(BOT.glob("locales/teams/*.toml")), ids=str)
def test_a_sentence_is_translated_in_one_place(path: Path) -> None:
    assert sentences(path).keys().isdisjoint(sentences(path.parents[1] / path.name))


def said_in(file: Path) -> Iterator[str]:
    """The sentences that a module passes to `translate`, or to what passes them on, as far as they stand in it."""
    tree = ast.parse(file.read_text("utf-8"))
    named: dict[str, list[ast.expr]] = {}

    def name(target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            named.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for part, given in zip(target.elts, value.elts, strict=True):
                name(part, given)

    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            name(node.targets[0], node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.comprehension):
            for several in named.get(getattr(node.iter, "id", ""), ()):
                for each in several.elts if isinstance(several, ast.Tuple | ast.List) else ():
                    name(node.target, each)

    def texts(node: ast.AST) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Name(id=known):
                for value in named.get(known, ()):
                    yield from texts(value)
            case ast.IfExp(body=body, orelse=orelse):
                yield from [*texts(body), *texts(orelse)]
            case ast.Call(func=ast.Attribute(value=ast.Name(id=known) as several), args=[_, *otherwise]) if (
                known.isupper()
            ):
                yield from [*texts(several), *(text for each in otherwise for text in texts(each))]
            case ast.BoolOp(values=values) | ast.Tuple(elts=values) | ast.List(elts=values) | ast.Dict(values=values):
                for value in values:
                    yield from texts(value)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            for argument in node.args[ASKS.get(called, len(node.args)) :][:1]:
                yield from texts(argument)


@pytest.mark.parametrize("language", sorted({path.stem for path in FILES} - {"en"}))
def test_everything_that_is_said_in_teams_is_said_in_every_language(language: str) -> None:
    found = {text for file in sorted(BOT.glob("adapters/teams/*.py")) for text in said_in(file)}

    assert len(found) > 40, "or this looks in the wrong place"
    assert {"Save and go on", "Saved. It holds from the next message on.", "What can you do?", "Regenerate"} <= found
    assert [text for text in sorted(found) if text and translate(text, language) == text] == []


def test_nothing_is_translated_for_teams_that_is_never_said() -> None:
    found = {text for file in sorted(BOT.glob("adapters/teams/*.py")) for text in said_in(file)}
    form = form_of(TeamsSettings).fields[0]
    found |= {form.description, *form.choices, str(TeamsSettings.__doc__).removesuffix(".")}
    made = {"Draw"}  # the manifest makes it of a command's name
    assert set(sentences(BOT / "locales" / "teams" / "de.toml")) - found == made


def test_a_package_brings_its_own_language(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "de.toml").write_text('"Roll dice." = "Würfeln."\n"Publish" = "Anders"\n', "utf-8")
    (tmp_path / "nl.toml").write_text('"Publish" = "Publiceren"\n', "utf-8")
    (tmp_path / "broken.toml").write_text("= nothing", "utf-8")
    folders = [resources.files("bot") / "locales", tmp_path]
    monkeypatch.setattr(translations, "_folders", lambda: folders)
    translations._sentences.cache_clear()
    try:
        assert translate("Roll dice.", "de") == "Würfeln."
        assert translate("Publish", "de") == "Für alle zeigen"
        assert translate("Publish", "nl") == "Publiceren"
        assert "nl" in languages()
    finally:
        translations._sentences.cache_clear()
