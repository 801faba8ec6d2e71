"""What is known of one person, or of one community: given to them on request, and erased on request."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, or_, select, tuple_, update

from storage.store import Store
from storage.tables import answers, bills, feedback, files, inbox, lines, notes, posts, settings, summaries, uploads

__all__ = ["erase", "erase_community", "erase_left", "export", "note_left", "seen"]

_CHUNK = 500
_LEFT = "left "  # before the name of a community that the bot has left, among the notes of its platform


async def seen(store: Store, platform: str) -> bool:
    """Whether anything is kept of anybody on a platform."""

    def work(connection: Connection) -> bool:
        columns = (lines.c.platform, inbox.c.platform, bills.c.platform)
        return any(connection.execute(select(each).where(each == platform).limit(1)).first() for each in columns)

    return await store.database.read(work)


async def export(store: Store, platform: str, person: str) -> dict[str, Any]:
    """Everything kept of a person on a platform, as JSON: what they said, what was answered, judged and paid for."""

    def work(connection: Connection) -> dict[str, Any]:
        said = connection.execute(
            select(lines.c.tenant, lines.c.channel, lines.c.message_id, lines.c.text, lines.c.at)
            .where(lines.c.platform == platform, lines.c.author_id == person)
            .order_by(lines.c.id)
        ).all()
        judged = connection.execute(
            select(feedback.c.verdict, feedback.c.words, feedback.c.at).where(
                feedback.c.platform == platform, feedback.c.person == person
            )
        ).all()
        used = connection.execute(
            select(
                bills.c.provider,
                bills.c.model,
                func.count(),
                func.sum(bills.c.input_tokens),
                func.sum(bills.c.output_tokens),
                func.coalesce(func.sum(bills.c.cost), 0),
            )
            .where(bills.c.platform == platform, bills.c.person == person)
            .group_by(bills.c.provider, bills.c.model)
        ).all()
        asked = connection.execute(
            select(inbox.c.tenant, inbox.c.channel, inbox.c.event, inbox.c.state, inbox.c.received_at)
            .where(inbox.c.platform == platform, inbox.c.person == person)
            .order_by(inbox.c.id)
        ).all()
        waiting = connection.execute(
            select(uploads.c.tenant, uploads.c.channel, uploads.c.name, uploads.c.at)
            .where(uploads.c.platform == platform, uploads.c.person == person, uploads.c.name != "")
            .order_by(uploads.c.at)
        ).all()
        return {
            "platform": platform,
            "person": person,
            "exported_at": datetime.now(UTC).isoformat(),
            "said": [
                {
                    "community": row.tenant,
                    "channel": row.channel,
                    "at": row.at.isoformat(),
                    "text": row.text,
                    "answer": _answer_to(connection, platform, row),
                }
                for row in said
            ],
            "asked": [
                {
                    "community": row.tenant,
                    "channel": row.channel,
                    "message": row.event,
                    "state": row.state,
                    "at": row.received_at.isoformat(),
                }
                for row in asked
            ],
            "offered": [
                {"community": row.tenant, "channel": row.channel, "file": row.name, "at": row.at.isoformat()}
                for row in waiting
            ],
            "judged": [{"verdict": row.verdict, "words": row.words, "at": row.at.isoformat()} for row in judged],
            "used": [
                {"model": f"{row[0]}:{row[1]}", "calls": row[2], "tokens": row[3] + row[4], "micro_dollars": row[5]}
                for row in used
            ],
        }

    return await store.database.read(work)


async def erase(store: Store, platform: str, person: str) -> int:
    """Forget a person on a platform: what they said, what was answered to it, what they judged and what was kept for
    them. Bills stay, without a name. Returns how many lines of context went.
    """

    def theirs(connection: Connection) -> None:
        asked = select(inbox.c.id).where(inbox.c.platform == platform, inbox.c.person == person)
        own = select(inbox.c.tenant, inbox.c.channel).where(
            inbox.c.platform == platform, inbox.c.person == person, inbox.c.direct
        )
        answered = select(posts.c.message_id).where(posts.c.heard.in_(asked))
        about = or_(tuple_(notes.c.tenant, notes.c.channel).in_(own), notes.c.message.in_(answered))
        connection.execute(delete(notes).where(notes.c.platform == platform, notes.c.channel != "", about))
        connection.execute(delete(uploads).where(uploads.c.platform == platform, uploads.c.person == person))
        for table in (answers, posts, files):
            connection.execute(delete(table).where(table.c.heard.in_(asked)))
        connection.execute(delete(feedback).where(feedback.c.platform == platform, feedback.c.person == person))
        connection.execute(
            update(bills).where(bills.c.platform == platform, bills.c.person == person).values(person="", channel="")
        )
        mine = (inbox.c.platform == platform, inbox.c.person == person)
        # The rows stay, so that nothing is answered that comes again; there is nobody and nothing in them any more.
        undone = inbox.c.state.in_(("received", "running", "answered"))
        connection.execute(update(inbox).where(*mine, undone).values(state="failed"))
        connection.execute(update(inbox).where(*mine).values(person="", body="", answer=None))

    after, gone = 0, 0
    while True:

        def work(connection: Connection, after: int = after) -> tuple[int, int | None]:
            upto: int | None = connection.execute(
                select(lines.c.id).where(lines.c.id > after).order_by(lines.c.id).limit(1).offset(_CHUNK - 1)
            ).scalar_one_or_none()
            here = (lines.c.id > after, lines.c.id <= upto) if upto is not None else (lines.c.id > after,)
            rows = connection.execute(
                select(lines.c.tenant, lines.c.channel, lines.c.message_id).where(
                    *here, lines.c.platform == platform, lines.c.author_id == person
                )
            ).all()
            found = 0
            for row in rows:
                there = (lines.c.platform == platform, lines.c.tenant == row.tenant, lines.c.channel == row.channel)
                said = or_(lines.c.message_id == row.message_id, lines.c.message_id == f"re:{row.message_id}")
                found += connection.execute(delete(lines).where(*there, said)).rowcount
                connection.execute(
                    delete(summaries).where(
                        summaries.c.platform == platform,
                        summaries.c.tenant == row.tenant,
                        summaries.c.channel == row.channel,
                    )
                )
            return found, upto

        found, upto = await store.database.write(work)
        gone += found
        if upto is None:
            break
        after = upto
    await store.database.write(theirs)
    store.notes_erased += 1
    store.forget_recent()
    await store.database.checkpoint()
    return gone


async def erase_community(store: Store, platform: str, tenant: str) -> None:
    """Forget a community that the bot has left: everything said in it, its settings; bills stay, without names."""
    if not tenant:
        raise ValueError("private chats are no community")
    for table in (lines, inbox):  # with the inbox go posts, answers and files

        def some(connection: Connection, table: Any = table) -> int:
            rows = select(table.c.id).where(table.c.platform == platform, table.c.tenant == tenant).limit(_CHUNK)
            return connection.execute(delete(table).where(table.c.id.in_(rows))).rowcount

        while await store.database.write(some):
            pass

    def nameless(connection: Connection) -> None:
        for table in (summaries, feedback, settings, notes, uploads):
            connection.execute(delete(table).where(table.c.platform == platform, table.c.tenant == tenant))
        connection.execute(
            update(bills).where(bills.c.platform == platform, bills.c.tenant == tenant).values(person="", channel="")
        )

    await store.database.write(nameless)
    store.notes_erased += 1
    store.forget_recent()
    store.forget_choices()
    await store.database.checkpoint()


async def note_left(store: Store, platform: str, tenant: str, *, back: bool = False) -> None:
    """The bot is no longer in a community, or is back there."""
    if back and await store.noted(platform, _LEFT + tenant) is None:
        return
    await store.note(platform, _LEFT + tenant, {} if back else {"at": datetime.now(UTC).isoformat()})


async def erase_left(store: Store, before: datetime) -> int:
    """Forget every community that the bot has left before then; how many."""
    statement = select(notes.c.platform, notes.c.name, notes.c.value).where(notes.c.name.startswith(_LEFT))

    def left(connection: Connection) -> list[tuple[str, str, dict[str, Any]]]:
        return [(row.platform, row.name, row.value) for row in connection.execute(statement)]

    gone = 0
    for platform, name, value in await store.database.read(left):
        if value and datetime.fromisoformat(value["at"]) >= before:
            continue
        if value:
            await erase_community(store, platform, name.removeprefix(_LEFT))
            gone += 1

        def settled(connection: Connection, platform: str = platform, name: str = name) -> None:
            connection.execute(delete(notes).where(notes.c.platform == platform, notes.c.name == name))

        await store.database.write(settled)
    return gone


def _answer_to(connection: Connection, platform: str, row: Any) -> str | None:
    answer: str | None = connection.execute(
        select(lines.c.text)
        .where(
            lines.c.platform == platform,
            lines.c.tenant == row.tenant,
            lines.c.channel == row.channel,
            lines.c.message_id == f"re:{row.message_id}",
        )
        .limit(1)
    ).scalar_one_or_none()
    return answer
