"""Talk to Parley in a terminal, or through a pipe: `parley try`."""

import asyncio
import contextlib
import difflib
import getpass
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar

import structlog

from bot.adapter import Adapter, Host, Limits
from bot.adapters.console.answers import Shown
from bot.adapters.console.files import as_attachment, find_files, keep, named_files, read
from bot.adapters.console.keyboard import Keyboard
from bot.adapters.console.screen import Screen
from bot.config import Config
from bot.errors import UserError
from bot.messages import Attachment, Channel, Message, Person, Press, Quote, Reply
from bot.version import __version__
from storage import Store

__all__ = ["Console"]

log = structlog.get_logger(__name__)

SILENCE_SECONDS = 300  # with nothing shown for so long, nothing more is expected
_NUMBER = "conversation"  # under which storage keeps the number of the current conversation
_BUTTONS = 8
_COMMANDS = ("/reply", "/attach", "/new", "/stop", "/help")
_HELP = """\
Type a line and press Enter. Put a picture or a voice note into the line by its path, or drag the file into the window.

- `/reply WORDS` is about the last answer: its text, its pictures
- `/1`, `/2` … do what stands below the last answer
- `/attach PATH` sends a file along with your next line
- `/new` begins a new conversation
- `/stop` or Ctrl-C ends an answer where it stands
- Ctrl-D leaves
"""


class Console(Adapter):
    """One person at one terminal. `leave` is called once they are done: `parley try` sets it to what ends the program.

    `gave_up` says that an answer that was waited for did not come.
    """

    name: ClassVar[str] = "console"
    own: ClassVar[bool] = True

    def __init__(self, config: Config, store: Store) -> None:
        super().__init__(config, store)
        self.leave: Callable[[], None] = lambda: None
        self.gave_up = False
        self._screen = Screen()
        self._keyboard = Keyboard()
        self._host: Host | None = None
        self._channel = Channel("console", "console", kind="direct", name="console")
        self._person = Person(_user(), _user(), moderator=True, operator=True)
        self._waiting: dict[str, None] = {}  # questions whose answer is not complete, in order
        self._over: set[str] = set()  # questions whose answer is complete
        self._posts: dict[str, str] = {}  # nonce → message id
        self._questions: dict[str, str] = {}  # message id → the question it answers
        self._last: Shown | None = None
        self._pressed: dict[str, str] = {}  # message id of an answer → what its pressed button asked
        self._printed: set[str] = set()  # message ids that were shown in full: a terminal does not forget
        self._stopping: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._attached: list[Attachment] = []
        self._held: deque[str] = deque()
        self._ended = False
        self._warned = False

    @property
    def greeting(self) -> str:
        return "this terminal"

    def limits(self, channel: Channel) -> Limits:
        return Limits(
            characters=10_000_000,
            attachments=100,
            attachment_bytes=100 * 1024**2,
            pace=0.08,
            typing=0,
            buttons=_BUTTONS if self._keyboard.interactive else 0,  # a pipe has nobody to choose
        )

    async def run(self, host: Host) -> None:
        self._host = host
        self._welcome()
        await self._settle()
        with self._screen, self._keyboard:
            while (line := await self._next_line()) is not None:
                try:
                    await self._take(line)
                except UserError as error:
                    self._screen.remark(str(error))
                except Exception:
                    log.exception("a line was lost", characters=len(line))
                    self._screen.remark("That did not work. The reason is in the log.")
            await self._answered()
        self.leave()
        await asyncio.Event().wait()  # coming back from here would mean that the platform is lost

    def interrupt(self) -> None:
        """Ctrl-C: end the running answer; where there is none, leave when it comes twice."""
        if self._waiting and self._host is not None:
            self._ended = self._ended or not self._keyboard.interactive  # a pipe has nobody to go on typing
            for question in list(self._waiting):
                task = asyncio.create_task(self._stop(question), name="stopping")
                self._stopping.add(task)
                task.add_done_callback(self._stopping.discard)
        elif self._warned or not self._keyboard.interactive:
            self.leave()
        else:
            self._warned = True
            self._screen.remark("Nothing is running. Press Ctrl-C again, or Ctrl-D, to leave.")
            self._keyboard.prompt_again()

    def _welcome(self) -> None:
        if self._keyboard.interactive:
            model = self.status()["model"] if self.status else ""
            self._screen.markdown(f"**Parley {__version__}** · {model}")
            self._screen.remark("Type /help to see what you can do. Ctrl-D leaves.")

    async def _settle(self) -> None:
        """Take up the conversation where it was left, and wait for what an earlier process left unanswered."""
        kept = await self.store.noted(self.name, _NUMBER)
        self._enter(int(kept["number"]) if kept else 1)
        for heard in await self.store.undone():
            if heard.platform == self.name and heard.event not in self._over:
                self._wait_for(heard.event)

    def _enter(self, number: int) -> None:
        self._channel = replace(self._channel, id="console" if number == 1 else f"console-{number}")

    async def _next_line(self) -> str | None:
        """What the person says next, once what they said before is answered; `None` when they are done.

        At a terminal they may type while an answer runs: `/stop` is heeded at once, other lines wait.
        """
        while self._waiting:
            if self._ended or not self._keyboard.interactive:
                await self._answered()
                continue
            self._changed.clear()
            line = await self._keyboard.line_unless(self._changed)
            if line is None:
                self._ended = True
            elif line.strip().lower() == "/stop":
                return line
            elif line:
                self._held.append(line)
        if self._held:
            return self._held.popleft()
        return None if self._ended else await self._keyboard.line()

    async def _answered(self) -> None:
        """Wait until every answer is complete."""
        while self._waiting:
            self._changed.clear()
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                self.gave_up = True
                self._waiting.clear()
                self._screen.remark("No answer came. The log may say why; please try again.")

    async def _take(self, line: str) -> None:
        self._warned = False
        command, _, rest = line.strip().partition(" ")
        match command.lower():
            case "":
                return
            case "/help":
                self._screen.markdown(_HELP + self._skills())
            case "/new":
                await self._begin_anew()
            case "/stop":
                if not self._waiting:
                    self._screen.remark("Nothing is running.")
                for question in list(self._waiting):
                    await self._stop(question)
            case "/attach":
                files = named_files(rest)
                self._attached += [await asyncio.to_thread(as_attachment, file) for file in files]
                names = ", ".join(file.name for file in files)
                self._screen.remark(f"{names} will be sent with your next line.")
            case "/reply":
                if self._last is None:
                    raise UserError("There is no answer to reply to yet.")
                if not rest.strip():
                    raise UserError("Reply what? Write /reply and your words.")
                await self._say(rest.strip(), self._last.quote)
            case _ if command[1:].isdecimal() and command.startswith("/") and self._keyboard.interactive:
                await self._press(int(command[1:]), rest.strip())
            case _ if meant := self._mistyped(command.lower()):
                raise UserError(f"There is no {command}. Did you mean {meant}?")
            case _:
                await self._say(line.strip())

    async def _press(self, number: int, words: str) -> None:
        """Do what stands below the last answer."""
        assert self._host is not None
        if self._last is None:
            raise UserError("There is no answer yet.")
        answer, action = self._last.id, self._last.button(number).action
        press = Press(secrets.token_hex(8), self._channel, self._person, answer, action, datetime.now(UTC), words)
        question = ""
        if action == "regenerate":
            question = self._questions[answer]
            self._printed.discard(answer)
        elif action not in ("good", "bad"):  # of which nothing comes but thanks
            question = self._pressed[answer] = f"{answer}~{press.id}"
        if question:
            self._wait_for(question)
        try:
            said = await self._host.pressed(press)
        except BaseException:
            self._completed(question)
            raise
        if said:
            self._completed(question)
            self._screen.remark(said)

    async def _say(self, line: str, quote: Quote | None = None) -> None:
        assert self._host is not None
        text, files = await asyncio.to_thread(find_files, line)
        attached = (*self._attached, *files)
        self._attached.clear()
        for each in files:
            self._screen.remark(f"attached: {each.name}")
        question = secrets.token_hex(8)
        self._wait_for(question)
        message = Message(question, self._channel, self._person, text, datetime.now(UTC), attached, quote)
        try:
            await self._host.heard(message)
        except BaseException:
            self._completed(question)
            raise

    async def _begin_anew(self) -> None:
        kept = await self.store.noted(self.name, _NUMBER)
        number = (int(kept["number"]) if kept else 1) + 1
        await self.store.note(self.name, _NUMBER, {"number": number})
        self._enter(number)
        self._screen.remark("A new conversation: what was said before is not taken into account any more.")

    async def _stop(self, question: str) -> None:
        assert self._host is not None
        if not await self._host.stop(self._channel, question, self._person):
            self._completed(question)  # it has ended without a word, and the log says why
            self._screen.remark("Nothing is running any more.")

    def _mistyped(self, command: str) -> str:
        """The command that this one is nearly. What is mistyped is no question, and should cost nothing."""
        skills = self.status().get("skills", []) if self.status else []
        if not command.startswith("/") or command[1:] in [skill["name"] for skill in skills]:
            return ""
        return next(iter(difflib.get_close_matches(command, _COMMANDS, n=1, cutoff=0.75)), "")

    def _skills(self) -> str:
        skills = self.status().get("skills", []) if self.status else []
        if not skills:
            return ""
        return "\nBegin a line with a skill's name to use it:\n\n" + "".join(
            f"- `{skill['name']}`: {skill['help']}\n" for skill in skills
        )

    def _wait_for(self, question: str) -> None:
        self._waiting[question] = None
        self._screen.wait()

    def _completed(self, question: str) -> None:
        self._over.add(question)
        self._waiting.pop(question, None)
        self._changed.set()
        if self._waiting:
            self._screen.wait()
        else:
            self._screen.rest()

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        message_id = self._posts.setdefault(nonce, secrets.token_hex(8))
        self._questions[message_id] = self._pressed.get(answers, answers)
        await self._show(message_id, reply)
        return message_id

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        await self._show(message_id, reply)

    async def _show(self, message_id: str, reply: Reply) -> None:
        self._changed.set()  # something moves: whoever waits may go on waiting
        if reply.running:
            self._screen.grow(reply.text)
            return
        if message_id not in self._printed:
            kept = [await asyncio.to_thread(keep, self.config.folder, each) for each in reply.attachments]
            self._printed.add(message_id)
            files = tuple([await asyncio.to_thread(as_attachment, path) for path in kept])
            self._last = Shown(message_id, reply.text, files, reply.buttons)
            self._screen.answer(reply.text, kept, reply.footer, self._last.actions)
        self._completed(self._questions.get(message_id, message_id))

    async def read(self, channel: Channel, attachment: Attachment, limit: int) -> bytes:
        return await asyncio.to_thread(read, attachment, limit)


def _user() -> str:
    with contextlib.suppress(OSError, KeyError):  # an account without a name, as in some containers
        return getpass.getuser()
    return "you"
