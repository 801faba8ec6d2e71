"""The languages that people are spoken to in."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from bot import translations
from bot.translations import languages, translate

FILES = sorted(path for path in Path(str(resources.files("bot"))).glob("locales/*.toml"))


def sentences(path: Path) -> dict[str, str]:
    return dict(tomllib.loads(path.read_text("utf-8")))


def test_a_sentence_is_said_in_the_language_of_who_reads_it() -> None:
    assert translate("Publish", "de") == "Für alle zeigen"
    assert translate("Publish", "es-419") == translate("Publish", "es-ES") == "Mostrar a todos"
    assert translate("Publish", "fr_FR") == "Montrer à tous"
    assert translate("Publish", "en-GB") == translate("Publish", "xx") == translate("Publish", "") == "Publish"
    assert translate("Nobody has translated this.", "de") == "Nobody has translated this."
    assert {"en", "de", "fr", "es", "ja"} <= set(languages())


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "en"], ids=lambda path: path.stem)
def test_every_language_says_the_same_things(path: Path) -> None:
    ours, german = sentences(path), sentences(path.with_name("de.toml"))
    assert set(german) - {"/parley"} <= set(ours) | {"/parley"}
    for english, said in ours.items():
        assert said.strip(), english
        assert all(mark in said for mark in ("{channel}", "`/parley my-data`") if mark in english), english


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
