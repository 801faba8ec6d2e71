"""What the documentation says is true: its examples run, its tables are the code's, its links lead somewhere."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from bot import cli
from bot.config import Config, load_config
from bot.version import __version__
from tests.commands import run

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SETTINGS = {str(field.validation_alias) for field in Config.model_fields.values()}
EXAMPLE = re.compile(r"```\w+ file=(?P<name>\S+)\n(?P<text>.*?)```", re.DOTALL)


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The files of the example skill, as docs/skills.md prints them."""
    folder = tmp_path / "dice"
    folder.mkdir()
    for match in EXAMPLE.finditer(text(ROOT / "docs/skills.md")):
        (folder / match["name"]).write_text(match["text"], encoding="utf-8")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for address in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if address.startswith(("http://", "https://")):
            continue
        file, _, anchor = address.partition("#")
        target = (page.parent / file) if file else page
        assert target.exists(), f"{address} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{address} leads to no heading"


def test_generated_parts_are_those_of_the_code() -> None:
    generate = script(ROOT / "docs/generate.py")
    for page in (ROOT / "docs").glob("*.md"):
        assert generate.generated(text(page)) == text(page), f"{page.name} is out of date: make docs"
    assert set(re.findall(r"^\| `(\w+)` \|", text(ROOT / "docs/configuration.md"), re.MULTILINE)) >= SETTINGS


def test_every_setting_that_is_mentioned_exists() -> None:
    known = SETTINGS | {"NO_COLOR"}
    for page in PAGES:
        for name in re.findall(r"\b(?:PARLEY|DISCORD|TEAMS|OPENAI|AZURE|HF)_[A-Z_]+\b", text(page)):
            assert name in known, f"{page.name} mentions {name}"


def test_every_command_that_is_mentioned_exists() -> None:
    commands = set(getattr(get_command(cli.app), "commands", {}))
    targets = set(re.findall(r"^([a-z]+):.*## ", text(ROOT / "Makefile"), re.MULTILINE))
    assert {"run", "test"} <= targets
    for page in PAGES:
        for word in re.findall(r"(?:`|(?<!`)/|\| |ExecStart=\S*)parley ([a-z]+)", text(page)):
            assert word in commands, f"{page.name} mentions parley {word}"
        for word in re.findall(r"(?:`|^)make ([a-z]+)", text(page), re.MULTILINE):
            assert word in targets, f"{page.name} mentions make {word}"
    assert text(ROOT / "Procfile") == "web: parley run\n"


def test_the_exit_codes_that_are_listed_are_those_in_use() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", text(ROOT / "docs/operators.md"), re.MULTILINE)}
    used = {cli.USAGE, cli.UPSTREAM, cli.INTERNAL, cli.INPUT_OUTPUT, cli.CONFIGURATION}
    assert listed == {0, 1} | used


def test_the_example_configuration_is_accepted_and_sets_nothing() -> None:
    shutil.copy(ROOT / ".env.example", ".env")
    named = set(re.findall(r"^(\w+)=", text(ROOT / ".env.example"), re.MULTILINE))
    assert named <= SETTINGS
    Path("empty").mkdir()
    assert load_config().model_dump() == load_config().model_copy().model_dump()
    assert load_config().port == 3978
    assert load_config().openai_api_key is None


def test_the_change_log_knows_this_version() -> None:
    assert f"## {__version__}" in text(ROOT / "CHANGELOG.md")


def test_every_decision_has_its_number() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    for page in pages:
        assert text(page).startswith(f"# {int(page.name[:4])}. ")
    assert len({page.name[:4] for page in pages}) == len(pages)


async def test_the_example_skill_passes_its_own_tests(example: Path) -> None:
    assert len([line for line in text(example / "dice.py").splitlines() if line.strip()]) <= 20
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-o",
            "asyncio_mode=auto",
            "--rootdir",
            ".",
            "-p",
            "no:cacheprovider",
            ".",
        ],
        cwd=example,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


async def test_the_example_skill_can_be_installed_and_spoken_to(example: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(site), str(example)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    listed = await run(tmp_path / "data", "skills", PYTHONPATH=str(site))
    said = await run(tmp_path / "data", "try", says="roll 3\nroll 21\n", PYTHONPATH=str(site))
    assert re.search(r"^roll  Roll dice\.  \(from parley-dice\)$", listed.out, re.MULTILINE)
    assert re.match(r"\[[1-6], [1-6], [1-6]\] = \d+\n", said.out)
    assert "from 1 to 20" in said.out


def test_what_is_installed_is_pinned_by_version_and_hash_and_names_no_place() -> None:
    project = tomllib.loads(text(ROOT / "pyproject.toml"))
    wanted = {re.split(r"[\[<>=]", each)[0].lower().replace(".", "-") for each in project["project"]["dependencies"]}
    for name in ("requirements.lock", "requirements-dev.lock"):
        lock = text(ROOT / name)
        pinned = re.findall(r"^([a-z0-9][\w.-]*)==\S+.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+$", lock, re.MULTILINE)
        assert len(pinned) == len(re.findall(r"^\w", lock, re.MULTILINE))
        assert wanted | {"hatchling"} <= {re.sub(r"[_.]", "-", each) for each in pinned}
        assert "://" not in lock
