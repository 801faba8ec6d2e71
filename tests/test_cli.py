"""The commands, as whoever runs Parley meets them: real processes, real signals, real exit codes."""

import asyncio
import json
import re
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.version import __version__
from tests.commands import DEADLINE, Started, command, environment, run
from tests.fakes.discord import FakeDiscord
from tests.fakes.openai import FakeOpenAI
from tests.fakes.teams import FakeTeams

HEAVY = {"aiohttp", "alembic", "av", "botbuilder", "discord", "openai", "PIL", "sqlalchemy"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def address(parley: Started) -> str:
    """The address that `parley run` prints, on a line of its own."""
    line = await parley.line("http://")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+", line)
    return line


# Finding one's way


async def test_the_version_can_be_asked_for(folder: Path) -> None:
    assert (await run(folder, "--version", fresh=True)).out == f"parley {__version__}\n"


async def test_help_names_every_command_and_loads_nothing_heavy(folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "bot", "--help"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(folder),
    )
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE)
    loaded = {line.rpartition("|")[2].strip() for line in err.decode().splitlines()}
    assert process.returncode == 0
    assert all(f"  {name} " in out.decode() for name in ("run", "try", "doctor", "skills"))
    assert not loaded & HEAVY


@pytest.mark.parametrize("words", [["dance"], ["run", "--fast"], []])
async def test_a_wrong_command_line_ends_with_64(folder: Path, words: list[str]) -> None:
    ended = await run(folder, *words)
    assert ended.code == 64
    assert "Usage: parley" in ended.out + ended.err


# Starting and stopping


async def test_with_nothing_set_up_it_prints_one_address_and_the_page_is_there(folder: Path) -> None:
    async with command(folder, "run", fresh=True) as parley:
        page = await address(parley)
        async with aiohttp.ClientSession() as visitor, visitor.get(page) as answer:
            assert answer.status == 200
            assert "<html" in await answer.text()
        async with aiohttp.ClientSession() as stranger, stranger.get(page.partition("?")[0]) as answer:
            assert answer.status == 401
        ended = await parley.end(by=signal.SIGTERM)
    assert ended.code == 0


async def test_it_says_what_it_found_and_the_one_thing_to_set_for_the_rest(folder: Path) -> None:
    async with command(folder, "run") as parley:
        await address(parley)
        said = "\n".join(parley.lines)
        await parley.end(by=signal.SIGINT)
    assert re.search(r"^  on +web ", said, re.MULTILINE)
    assert re.search(r"^  off +discord .*DISCORD_TOKEN", said, re.MULTILINE)
    assert re.search(r"^  off +teams .*TEAMS_APP_ID", said, re.MULTILINE)
    assert re.search(r"^  on +chat model .*practice model", said, re.MULTILINE)
    assert said.count("http://127.0.0.1") == 1


async def test_it_finds_the_model_that_the_environment_names(folder: Path) -> None:
    async with (
        FakeOpenAI() as openai,
        command(folder, "run", OPENAI_BASE_URL=openai.url, OPENAI_API_KEY=openai.key) as parley,
    ):
        await address(parley)
        await parley.end(by=signal.SIGTERM)
    said = "\n".join(parley.lines)
    assert re.search(r"^  on +chat model ", said, re.MULTILINE)
    assert "practice" not in said


async def test_the_token_in_the_address_is_not_in_the_log(folder: Path) -> None:
    async with command(folder, "run", PARLEY_LOG_LEVEL="debug") as parley:
        page = await address(parley)
        async with aiohttp.ClientSession() as visitor, visitor.get(page) as answer:
            assert answer.status == 200
        ended = await parley.end(by=signal.SIGTERM)
    assert ended.err.splitlines()
    assert all(json.loads(line)["event"] for line in ended.err.splitlines())
    assert page.partition("token=")[2] not in ended.err


async def test_a_second_one_is_kept_away_from_the_same_data(folder: Path) -> None:
    async with command(folder, "run") as parley:
        await address(parley)
        second = await run(folder, "run")
        await parley.end(by=signal.SIGTERM)
    assert second.code == 74
    assert "Another Parley" in second.err
    assert "PARLEY_DATA" in second.err


async def test_a_port_in_use_is_told_with_the_remedy(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = await run(folder, "run", PORT=str(taken.getsockname()[1]))
    assert ended.code == 74
    assert "PORT=" in ended.err
    assert "Traceback" not in ended.err


async def test_a_damaged_database_is_left_as_it_is(folder: Path) -> None:
    folder.mkdir()
    (folder / "parley.db").write_bytes(b"this is no database" * 1000)
    ended = await run(folder, "run")
    assert ended.code == 74
    assert "backup" in ended.err
    assert (folder / "parley.db").read_bytes() == b"this is no database" * 1000


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in (["run"], ["try"]):
        ended = await run(tmp_path / "file" / "below", *words)
        assert ended.code == 74
        assert str(tmp_path / "file") in ended.err
        assert "PARLEY_DATA" in ended.err


async def test_all_mistakes_in_the_configuration_come_at_once_and_end_with_78(folder: Path) -> None:
    Path(".env").write_text("PORT=many\nDISCORD_TOKN=abcdef\n")
    ended = await run(folder, "run", PARLEY_HOTS="0.0.0.0", PORT="")
    assert ended.code == 78
    assert len(re.findall(r"^  \S", ended.err, re.MULTILINE)) == 3
    assert "abcdef" not in ended.err


async def test_a_running_answer_is_waited_for_and_a_second_signal_ends_at_once(folder: Path) -> None:
    async with FakeOpenAI() as openai:
        openai.hold()
        environment = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}
        async with command(folder, "try", **environment) as parley:
            assert parley.process.stdin is not None
            parley.process.stdin.write(b"hello\n")
            await openai.called()
            parley.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE):
                while "stopping" not in (folder / "console.log").read_text():
                    await asyncio.sleep(0.01)
            assert parley.process.returncode is None
            ended = await parley.end(by=signal.SIGTERM)
    assert ended.code == -signal.SIGTERM


async def test_stopping_lets_a_running_answer_come_to_its_end(folder: Path) -> None:
    async with FakeOpenAI() as openai:
        openai.hold()
        openai.reply_with("one two three")
        environment = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}
        async with command(folder, "try", **environment) as parley:
            assert parley.process.stdin is not None
            parley.process.stdin.write(b"hello\n")
            await openai.called()
            parley.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE):
                while "stopping" not in (folder / "console.log").read_text():
                    await asyncio.sleep(0.01)
            await openai.release()
            ended = await parley.end()
    assert ended.code == 0
    assert "one two three" in ended.out


# Looking after it


async def test_the_doctor_finds_a_fresh_installation_well(folder: Path) -> None:
    ended = await run(folder, "doctor")
    assert ended.code == 0
    assert re.search(r"^  off +discord .*DISCORD_TOKEN", ended.out, re.MULTILINE)
    assert re.search(rf"^  on +data folder +{re.escape(str(folder))}$", ended.out, re.MULTILINE)
    assert "!!" not in ended.out


async def test_the_doctor_does_not_disturb_a_parley_that_runs(folder: Path) -> None:
    async with command(folder, "run") as parley:
        port = (await address(parley)).split(":")[2].partition("/")[0]
        ended = await run(folder, "doctor", PORT=port)
        assert parley.process.returncode is None
        await parley.end(by=signal.SIGTERM)
    assert ended.code == 0
    assert "in use by the Parley that is running" in ended.out


async def test_the_doctor_tries_the_keys_that_are_set(folder: Path) -> None:
    async with FakeOpenAI() as openai, FakeDiscord() as discord, FakeTeams() as teams:
        settings = {
            "OPENAI_BASE_URL": openai.url,
            "OPENAI_API_KEY": openai.key,
            "DISCORD_TOKEN": "loopback.token.of-the-bot",
            "PARLEY_DISCORD_API": f"{discord.links.base}/api/v10",
            **teams.environment(),
        }
        well = await run(folder, "doctor", **settings)
        wrong = {"OPENAI_API_KEY": "sk-wrong-key-123456", "DISCORD_TOKEN": "not.the.token", "TEAMS_APP_PASSWORD": "old"}
        ill = await run(folder, "doctor", **settings | wrong)
    assert well.code == 0, well.out
    assert "the token is good" in well.out
    assert "the app's credentials are good" in well.out
    assert ill.code == 1
    assert len(re.findall(r"^  !! ", ill.out, re.MULTILINE)) == 3, ill.out
    assert "refuses the key" in ill.out
    assert "refuses DISCORD_TOKEN" in ill.out
    assert "TEAMS_APP_PASSWORD is wrong" in ill.out
    assert not any(secret in ill.out + ill.err for secret in wrong.values() if len(secret) > 3)


async def test_the_doctor_names_what_is_set_up_and_cannot_work(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = await run(
            folder, "doctor", OPENAI_BASE_URL="http://127.0.0.1:9/v1", PORT=str(port), TEAMS_APP_ID="only-this"
        )
    assert ended.code == 1
    assert re.search(r"^  !! +port .*PORT=", ended.out, re.MULTILINE)
    assert re.search(
        r"^  !! +model server .*does not answer at http://127\.0\.0\.1:9/v1.*OPENAI_BASE_URL", ended.out, re.MULTILINE
    )
    assert re.search(r"^  !! +teams .*TEAMS_APP_PASSWORD", ended.out, re.MULTILINE)


# Skills


def install(where: Path, name: str, code: str) -> str:
    """A package with one skill in it, as pip would leave it; returns what PYTHONPATH has to be."""
    where.mkdir(exist_ok=True)
    (where / f"{name}.py").write_text(code)
    about = where / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[parley.skills]\n{name} = {name}:Thing\n")
    return str(where)


async def test_skills_are_listed_with_what_they_do_and_where_they_come_from(folder: Path) -> None:
    ended = await run(folder, "skills", fresh=True)
    assert ended.code == 0
    assert re.search(r"^draw  Draw a picture.*\(from parleybot\)$", ended.out, re.MULTILINE)
    assert "    size: The shape of the picture" in ended.out


async def test_a_skill_that_cannot_be_used_is_refused_with_the_reason_and_the_others_stay(
    folder: Path, tmp_path: Path
) -> None:
    install(tmp_path / "site", "broken", "import nothing_of_this_name")
    path = install(tmp_path / "site", "nameless", "from bot import Skill\n\nclass Thing(Skill):\n    '''Help.'''\n")
    listed = await run(folder, "skills", PYTHONPATH=path)
    doctor = await run(folder, "doctor", PYTHONPATH=path)
    assert listed.code == 0
    assert re.search(r"^broken  refused  \(from broken\)\n    .*nothing_of_this_name", listed.out, re.MULTILINE)
    assert re.search(r"^nameless  refused  \(from nameless\)\n    Thing\.name", listed.out, re.MULTILINE)
    assert re.search(r"^chat  ", listed.out, re.MULTILINE)
    assert "Traceback" not in listed.err
    assert doctor.code == 1
    assert re.search(r"^  !! +skill broken ", doctor.out, re.MULTILINE)
