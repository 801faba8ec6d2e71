"""What was said in a channel, as the bot remembers it; the newest lines of the channels used last stay in memory."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from storage.engine import Database
from storage.memory import Forgotten, Memory, summary_in
from storage.records import Bill, Line
from storage.tables import answers, files, inbox, lines, posts

__all__ = ["MOST_LINES", "Context", "asked_in", "said_in"]

MOST_LINES = 300  # of a channel's context, kept in memory for the channels used last
_RECENT_CHANNELS = 500


class Context(Memory):
    """The part of the store that remembers conversations."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        # This process is the only one that writes, so what it read or wrote last is what is there.
        self._recent: OrderedDict[tuple[str, str, str], deque[Line]] = OrderedDict()
        self._summaries: dict[tuple[str, str, str], str] = {}  # of the same channels
        self._revisions = 0  # of anybody's context

    async def history(self, key: tuple[str, str, str], limit: int) -> list[Line]:
        """The newest `limit` lines of a channel that its summary does not cover, at most `MOST_LINES`, oldest first."""
        recent = self._recent.get(key)
        if recent is None:
            statement = (
                select(
                    lines.c.role,
                    lines.c.text,
                    lines.c.message_id,
                    lines.c.author_id,
                    lines.c.author,
                    lines.c.at,
                    lines.c.complete,
                )
                .where(*said_in(key))
                .order_by(lines.c.id.desc())
                .limit(MOST_LINES)
            )

            def work(connection: Connection) -> tuple[str, list[Line]]:
                upto, summary = summary_in(connection, key)
                return summary, [Line(*row) for row in connection.execute(statement.where(lines.c.id > upto))][::-1]

            revisions = self._revisions
            summary, found = await self.database.read(work)
            recent = deque(found, MOST_LINES)
            if revisions == self._revisions:  # nothing has changed while it was read
                self._recent[key], self._summaries[key] = recent, summary
            if len(self._recent) > _RECENT_CHANNELS:
                self._summaries.pop(self._recent.popitem(last=False)[0], None)
        else:
            self._recent.move_to_end(key)
        return list(recent)[-limit:]

    async def summary(self, key: tuple[str, str, str]) -> str:
        """What was said in a channel before its `history`, in short; empty where there is no summary."""
        if key not in self._recent:
            await self.history(key, 1)
        return self._summaries.get(key, "")

    async def summarise(self, key: tuple[str, str, str], gone: Forgotten, text: str, used: Sequence[Bill]) -> bool:
        """Keep a summary, and from now on only the lines after it in `history`."""
        kept = await super().summarise(key, gone, text, used)
        self._revise(key)
        return kept

    async def amend(self, key: tuple[str, str, str], message_id: str, text: str, question: str = "") -> bool:
        """A person changed what they said; `False` when nothing of it is known, or nothing changed.

        `question` is the message as JSON, for an answer that offers to answer it again.
        """
        asked = select(inbox.c.id).where(*asked_in(key), inbox.c.event == message_id)
        marked = f"{text}\n[" if text else "["  # the files that came with it stand below its words
        changed_text = and_(lines.c.text != text, func.substr(lines.c.text, 1, len(marked)) != marked)

        def work(connection: Connection) -> bool:
            changed = connection.execute(
                update(lines)
                .where(*said_in(key), lines.c.message_id == message_id, lines.c.role == "user", changed_text)
                .values(text=text)
            )
            if changed.rowcount and question:
                connection.execute(update(answers).where(answers.c.heard.in_(asked)).values(question=question))
            return bool(changed.rowcount)

        changed = await self.database.write(work)
        self._revise(key)
        return changed

    async def forget(self, key: tuple[str, str, str], message_ids: Sequence[str]) -> None:
        """Messages are gone from the platform, people's or the bot's own: they leave the context too."""
        gone = list(message_ids)

        def work(connection: Connection) -> None:
            for start in range(0, len(gone), 500):  # SQLite takes only so many values in one statement
                some = gone[start : start + 500]
                here = asked_in(key)
                shown = select(inbox.c.id).join(posts, posts.c.heard == inbox.c.id)
                shown = shown.where(posts.c.message_id.in_(some), *here)
                asked = select(inbox.c.id).where(inbox.c.event.in_(some), *here)
                said = select("re:" + inbox.c.event).where(inbox.c.id.in_(shown))
                # A press has no message of its own that could be deleted: it goes with its answer.
                presses = select(inbox.c.event).where(inbox.c.id.in_(shown), inbox.c.event.contains("~"))
                connection.execute(
                    delete(lines).where(
                        *said_in(key),
                        or_(
                            lines.c.message_id.in_(some),
                            lines.c.message_id.in_(said),
                            lines.c.message_id.in_(presses),
                        ),
                    )
                )
                for offered in (shown, asked):  # nor does the answer offer anything any more
                    connection.execute(delete(files).where(files.c.kept, files.c.heard.in_(offered)))
                    connection.execute(delete(answers).where(answers.c.heard.in_(offered)))

        await self.database.write(work)
        self._revise(key)

    def forget_recent(self) -> None:
        """Lines have gone from many channels: what is kept in memory is read again."""
        self._revisions += 1
        self._recent.clear()

    def _revise(self, key: tuple[str, str, str]) -> None:
        """The context of a channel has changed in its middle."""
        self._revisions += 1
        self._recent.pop(key, None)
        self._summaries.pop(key, None)


def asked_in(key: tuple[str, str, str]) -> tuple[Any, ...]:
    """What makes a question one of this channel's."""
    return (inbox.c.platform == key[0], inbox.c.tenant == key[1], inbox.c.channel == key[2])


def said_in(key: tuple[str, str, str]) -> tuple[Any, ...]:
    """What makes a line one of this channel's."""
    return (lines.c.platform == key[0], lines.c.tenant == key[1], lines.c.channel == key[2])
