"""The rules of the house that a machine can check."""

import asyncio
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = sorted(path for folder in ("bot", "skills", "storage") for path in (ROOT / folder).rglob("*.py"))
EMPTY_WORDS = re.compile(r"manager|handler|service|helper|utils?|processor|base|data", re.IGNORECASE)


async def test_imports_go_one_way_and_each_library_has_one_door() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
        *("--no-cache", "--no-logo"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, out.decode()
    assert "0 broken" in out.decode()


def test_files_stay_small() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert not {path: length for path, length in lengths.items() if length > 450}


def test_files_and_classes_are_named_for_what_they_are() -> None:
    for path in CODE:
        named = [path.stem, *re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)]
        empty = [name for name in named if EMPTY_WORDS.search(name) and name != "Database"]
        assert not empty, f"{path.relative_to(ROOT)}: {empty}"
