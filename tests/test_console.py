"""Talking to Parley in a terminal and through a pipe: the real program, a real terminal, real files."""

import asyncio
import os
import pty
import re
import signal
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from bot.adapters.console.files import find_files, keep, named_files
from bot.errors import UserError
from bot.messages import Attachment
from tests import forks
from tests.commands import DEADLINE, environment, run
from tests.fakes.openai import FakeOpenAI, faults
from tests.prepared import prepared


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepared(tmp_path / "data")


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


def model(openai: FakeOpenAI) -> dict[str, str]:
    return {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 24), "orange").save(path, "PNG")
    return path


# Through a pipe


async def test_one_line_is_answered_as_plain_text_and_that_is_all(tmp_path: Path) -> None:
    ended = await run(tmp_path / "data", "try", says="hi\n", fresh=True)
    assert ended.code == 0
    assert "You said “hi”" in ended.out
    assert "Practice model" in ended.out
    assert "\x1b" not in ended.out
    assert ended.err == ""


async def test_a_mistyped_command_is_not_asked_of_the_model(folder: Path) -> None:
    ended = await run(folder, "try", says="/atach picture.png\n/etc/hosts, what is it?\n")
    assert "There is no /atach. Did you mean /attach?" in ended.err
    assert "You said “/atach" not in ended.out
    assert "You said “/etc/hosts, what is it?”" in ended.out


async def test_a_line_without_an_end_and_no_line_at_all_are_fine_too(folder: Path) -> None:
    assert "You said “hi”" in (await run(folder, "try", says="hi")).out
    silent = await run(folder, "try", says="\n  \n")
    assert (silent.code, silent.out) == (0, "")


async def test_lines_are_answered_one_after_the_other_and_remembered_across_a_restart(folder: Path) -> None:
    first = await run(folder, "try", says="my boat is called Nutshell\nwhat did I say before?\n")
    again = await run(folder, "try", says="what did I say before?\n")
    assert first.out.index("You said “my boat is called Nutshell”") < first.out.index("1. “my boat is called Nutshell”")
    assert "1. “my boat is called Nutshell”" in again.out


async def test_a_new_conversation_does_not_know_the_old_one_not_even_later(folder: Path) -> None:
    await run(folder, "try", says="my boat is called Nutshell\n")
    fresh = await run(folder, "try", says="/new\nwhat did I say before?\n")
    later = await run(folder, "try", says="what did I say before?\n")
    assert "Nutshell" not in fresh.out + later.out
    assert "new conversation" in fresh.err


async def test_a_real_model_sees_the_picture_whose_path_stands_in_the_line(
    folder: Path, tmp_path: Path, openai: FakeOpenAI
) -> None:
    path = picture(tmp_path / "my pictures" / "boat.png")
    openai.reply_with("An orange boat.")
    ended = await run(folder, "try", says=f"what is in '{path}'?\n", **model(openai))
    assert ended.out == "An orange boat.\n"
    assert len(openai.calls[-1].pictures) == 1
    assert "attached: boat.png" in ended.err


async def test_the_practice_model_tells_the_facts_of_a_picture(folder: Path, tmp_path: Path) -> None:
    ended = await run(folder, "try", says=f"{picture(tmp_path / 'boat.png')}\n")
    assert "48" in ended.out
    assert "24" in ended.out
    assert "PNG" in ended.out


async def test_a_drawn_picture_is_kept_in_the_data_folder_and_named(folder: Path, openai: FakeOpenAI) -> None:
    ended = await run(folder, "try", says="draw a fox\n", **model(openai))
    saved = re.search(r"^saved: (.+)$", ended.out, re.MULTILINE)
    assert saved, ended
    path = Path(saved[1])
    assert path.parent == folder / "pictures"
    with Image.open(path) as drawn:
        assert drawn.format in ("PNG", "JPEG", "WEBP")


async def test_a_file_that_is_merely_mentioned_is_not_sent(folder: Path, tmp_path: Path, openai: FakeOpenAI) -> None:
    private = tmp_path / "diary.txt"
    private.write_text("dear diary")
    openai.reply_with("I see.")
    ended = await run(folder, "try", says=f"is {private} a good name?\n", **model(openai))
    assert ended.err == ""
    assert str(private) in str(openai.calls[-1].messages[-1])


async def test_attach_sends_any_file_and_says_when_there_is_none(folder: Path, tmp_path: Path) -> None:
    path = picture(tmp_path / "boat without a name")
    ended = await run(folder, "try", says=f"/attach {tmp_path}/nowhere.png\n/attach {path}\nlook at this\n")
    assert "There is no file" in ended.err
    assert "boat without a name will be sent with your next line" in ended.err
    assert "48" in ended.out
    assert ended.code == 0


async def test_help_names_the_commands_and_the_skills(folder: Path) -> None:
    ended = await run(folder, "try", says="/help\n")
    assert all(word in ended.out for word in ("/attach", "/new", "/stop", "`draw`", "Draw a picture"))


async def test_a_failing_model_is_told_of_in_a_sentence(folder: Path, openai: FakeOpenAI) -> None:
    openai.fail_with(faults.status(401))
    ended = await run(folder, "try", says="hi\n", **model(openai))
    assert ended.code == 0
    assert ended.out.strip()
    assert "Traceback" not in ended.out + ended.err


async def test_nothing_a_model_says_can_command_the_terminal(folder: Path, openai: FakeOpenAI) -> None:
    openai.reply_with("\x1b]0;gotcha\x07red \x1b[31malert\x1b[2J \x9b5m end")
    ended = await run(folder, "try", says="hi\n", **model(openai))
    assert "end" in ended.out
    assert not set("\x1b\x07\x9b") & set(ended.out)


# In a terminal


class Terminal:
    """A terminal with `parley try` in it. `screen` is everything that was written to it so far."""

    def __init__(self, process: forks.Forked, master: int) -> None:
        self.process = process
        self.screen = ""
        self._master = master
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            self.screen += os.read(self._master, 65536).decode("utf-8", "replace")
        except OSError:  # the other side is closed
            asyncio.get_running_loop().remove_reader(self._master)
        self._news.set()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    async def shows(self, text: str, *, after: int = 0) -> int:
        """Wait until `text` is on the screen; returns where it ends."""
        async with asyncio.timeout(DEADLINE):
            while (at := self.screen.find(text, after)) < 0:
                self._news.clear()
                await self._news.wait()
        return at + len(text)

    async def ends(self) -> int:
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()


@asynccontextmanager
async def terminal(folder: Path, **given: str) -> AsyncIterator[Terminal]:
    master, slave = pty.openpty()
    modes = termios.tcgetattr(slave)
    process = await forks.start(
        "bot", "try", env=environment(folder, TERM="xterm", COLUMNS="80", LINES="24", **given), terminal=slave
    )
    shown = Terminal(process, master)
    try:
        yield shown
        assert termios.tcgetattr(slave) == modes, "the terminal was not left as it was found"
    finally:
        await process.close()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
        os.close(slave)


CTRL_C, CTRL_D = "\x03", "\x04"


async def test_a_conversation_in_a_terminal(folder: Path, openai: FakeOpenAI) -> None:
    openai.reply_with("It is **bold**, and `code`.")
    async with terminal(folder, **model(openai)) as shown:
        await shown.shows("/help")
        at = await shown.shows("› ")
        shown.type("what is it?\r")
        at = await shown.shows("It is ", after=at)
        await shown.shows("› ", after=at)
        answer = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.screen)
        assert "It is bold, and code." in answer
        shown.type(CTRL_D)
        assert await shown.ends() == 0


async def test_what_stands_below_an_answer_is_done_by_its_number(folder: Path, openai: FakeOpenAI) -> None:
    openai.reply_with("The first answer.")
    async with terminal(folder, **model(openai)) as shown:
        await shown.shows("› ")
        shown.type("/1\r")
        at = await shown.shows("There is no answer yet.")
        shown.type("say something\r")
        at = await shown.shows("/1 answer anew  /2 good answer  /3 bad answer", after=at)
        await shown.shows("› ", after=at)
        openai.reply_with("The second answer.")
        shown.type("/1\r")
        at = await shown.shows("The second answer.", after=at)
        at = await shown.shows("› ", after=at)
        shown.type("/3 much too short\r")
        at = await shown.shows("Thank you for telling me.", after=at)
        shown.type("/9\r")
        at = await shown.shows("There is no /9 below the last answer.", after=at)
        openai.reply_with("The third answer.")
        shown.type("/reply why?\r")
        at = await shown.shows("The third answer.", after=at)
        assert "> The second answer." in str(openai.calls[-1].messages[-1])
        await shown.shows("› ", after=at)
        shown.type(CTRL_D)
        assert await shown.ends() == 0


async def test_an_answer_grows_as_it_comes_and_ctrl_c_stops_it(folder: Path, openai: FakeOpenAI) -> None:
    openai.hold()
    openai.reply_with("one two three four")
    async with terminal(folder, **model(openai)) as shown:
        await shown.shows("› ")
        shown.type("count\r")
        await openai.release(2)
        at = await shown.shows("one two")
        assert "three" not in shown.screen
        shown.type(CTRL_C)
        at = await shown.shows("Stopped.", after=at)
        await shown.shows("› ", after=at)
        assert "three" not in shown.screen
        shown.type(CTRL_D)
        assert await shown.ends() == 0


async def test_stop_is_heeded_while_an_answer_runs_and_other_lines_wait_their_turn(
    folder: Path, openai: FakeOpenAI
) -> None:
    openai.hold()
    openai.reply_with(lambda messages: f"answer to {messages[-1]['content']}")
    async with terminal(folder, **model(openai)) as shown:
        await shown.shows("› ")
        shown.type("first\r")
        await openai.called()
        shown.type("second\r")
        shown.type("/stop\r")
        at = await shown.shows("Stopped.")
        await openai.release()
        at = await shown.shows("answer to second", after=at)
        assert len(openai.of()) == 2
        await shown.shows("› ", after=at)
        shown.type(CTRL_D)
        assert await shown.ends() == 0


async def test_ctrl_c_at_rest_leaves_when_it_comes_twice(folder: Path) -> None:
    async with terminal(folder) as shown:
        at = await shown.shows("› ")
        shown.type(CTRL_C)
        at = await shown.shows("Ctrl-C again", after=at)
        await shown.shows("› ", after=at)
        shown.type(CTRL_C)
        assert await shown.ends() == 0


async def test_a_terminal_is_left_tidy_when_the_program_is_told_to_end(folder: Path) -> None:
    async with terminal(folder) as shown:
        await shown.shows("› ")
        shown.process.send_signal(signal.SIGTERM)
        assert await shown.ends() == 0


# Files in a line


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{plain}", ""),
        ("what is in {plain}?", "what is in boat.png?"),
        ("{plain} what is it", "what is it"),
        ("describe {plain}", "describe"),
        ("'{blank}'", ""),
        ('look: "{blank}" nice', "look: my boat.png nice"),
        ("{escaped} and 'that'", "and 'that'"),
        ("{address}", ""),
        ("it's “{plain}”", "it's “{plain}”"),
        ("don't look", "don't look"),
        ("", ""),
    ],
)
def test_pictures_are_found_in_a_line_however_they_were_put_there(tmp_path: Path, line: str, text: str) -> None:
    plain, blank = picture(tmp_path / "boat.png"), picture(tmp_path / "my boat.png")
    paths = {
        "plain": str(plain),
        "blank": str(blank),
        "escaped": str(blank).replace(" ", "\\ "),
        "address": blank.as_uri(),
    }
    found, attached = find_files(line.format(**paths))
    assert found == text.format(**paths)
    assert len(attached) == (0 if text.format(**paths) == line.format(**paths) else 1)
    assert all(each.media_type == "image/png" and each.size > 0 for each in attached)


def test_several_files_are_attached_in_their_order(tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    text, attached = find_files(f"compare {first} {second}")
    assert text == "compare a.png"
    assert [each.name for each in attached] == ["a.png", "b.png"]


def test_what_a_file_is_called_does_not_decide_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "fake.png").write_text("no picture at all")
    real = picture(tmp_path / "boat.png").rename(tmp_path / "boat.txt")
    assert find_files(str(real))[1][0].media_type == "image/png"


def test_attach_wants_a_file_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Which file"):
        named_files("  ")
    with pytest.raises(UserError, match="There is no file"):
        named_files(str(tmp_path / "nowhere"))


def test_a_picture_is_kept_once_under_a_name_of_our_own(tmp_path: Path) -> None:
    drawn = picture(tmp_path / "x.png").read_bytes()
    path = keep(tmp_path, Attachment("../../etc/pass wd\x1b.sh", "image/png", drawn))
    assert path.parent == tmp_path / "pictures"
    assert re.fullmatch(r"[\w-]+\.png", path.name)
    assert keep(tmp_path, Attachment("../../etc/pass wd\x1b.sh", "image/png", drawn)) == path
    assert path.read_bytes() == drawn
