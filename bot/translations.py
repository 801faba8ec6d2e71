"""The sentences that people see on buttons, menus and screens, in their own language.

The English sentence is the key. A language is one file of `"English" = "translated"` lines: `bot/locales/de.toml`. A
package with skills brings its own in a package named by an entry point of the group `parley.locales`.
"""

import tomllib
from functools import cache
from importlib import resources
from importlib.metadata import entry_points
from importlib.resources.abc import Traversable

import structlog

__all__ = ["languages", "translate"]

log = structlog.get_logger(__name__)

OWN = "en"  # what the keys are written in


def translate(text: str, locale: str) -> str:
    """`text` in the language of `locale` (`de`, `pt-BR`, `es-419` …); as it is where nobody has translated it."""
    known = _sentences()
    language = locale.replace("_", "-")
    for name in (language, language.partition("-")[0]):
        found = known.get(name.lower(), {}).get(text)
        if found:
            return found
    return text


def languages() -> tuple[str, ...]:
    """The languages that there is a file for, the one of the keys among them."""
    return tuple(sorted({OWN, *_sentences()}))


@cache
def _sentences() -> dict[str, dict[str, str]]:
    """Language → English → translated. What a package brings does not change what Parley says itself."""
    found: dict[str, dict[str, str]] = {}
    for folder in _folders():
        for file in folder.iterdir():
            if not file.name.endswith(".toml"):
                continue
            language = file.name.removesuffix(".toml").replace("_", "-").lower()
            try:
                sentences = tomllib.loads(file.read_text("utf-8"))
            except (OSError, ValueError) as error:
                log.error("a translation could not be read", file=file.name, error=str(error))
                continue
            known = found.setdefault(language, {})
            for key, value in sentences.items():
                if isinstance(value, str):
                    known.setdefault(key, value)
    return found


def _folders() -> list[Traversable]:
    own = resources.files("bot") / "locales"
    folders: list[Traversable] = [own, own / "teams"]
    for point in entry_points(group="parley.locales"):
        try:
            folders.append(resources.files(point.value))
        except (ImportError, TypeError) as error:
            log.error("the translations of a package could not be found", package=point.value, error=str(error))
    return [folder for folder in folders if folder.is_dir()]
