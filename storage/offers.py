"""What an answer goes on offering after it was given: buttons, what its skill kept, the question itself."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.accounts import Accounts
from storage.prepared import Prepared
from storage.records import File, Given, Offer
from storage.tables import answers, feedback, files, inbox, lines, posts

__all__ = ["Offers", "put_offer"]

_GIVEN = (
    answers.c.heard,
    inbox.c.event,
    answers.c.person,
    answers.c.skill,
    answers.c.question,
    answers.c.buttons,
    answers.c.about,
    inbox.c.state,
)

_NEW = upsert(answers)
_OFFER = Prepared(
    _NEW.on_conflict_do_update(
        index_elements=["heard"],
        set_={name: _NEW.excluded[name] for name in ("skill", "question", "buttons", "about", "at")},
    ),
    *(column.name for column in answers.columns),
)
_LET_GO = Prepared(delete(files).where(files.c.heard == bindparam("answer"), files.c.kept))


class Offers(Accounts):
    """The part of the store that presses and replies ask."""

    async def given(self, key: tuple[str, str, str], message_id: str) -> Given | None:
        """The answer that this message of the bot's is a part of, or None when it offers nothing (any more)."""
        return await self._given(key, posts.c.message_id == message_id)

    async def given_to(self, key: tuple[str, str, str], heard: int) -> Given | None:
        """The answer to a question of this channel's, or None."""
        return await self._given(key, answers.c.heard == heard)

    async def newest_given(self, key: tuple[str, str, str]) -> tuple[str, Given] | None:
        """The newest answer of a channel, with the message that shows its end; None when it offers nothing."""
        offering = (
            select(posts.c.message_id, *_GIVEN)
            .join(inbox, inbox.c.id == answers.c.heard)
            .join(posts, posts.c.heard == answers.c.heard)
            .where(answers.c.platform == key[0], answers.c.tenant == key[1], answers.c.channel == key[2])
            .order_by(answers.c.heard.desc(), posts.c.part.desc())
            .limit(1)
        )
        said = (
            select(lines.c.message_id)
            .where(
                lines.c.platform == key[0],
                lines.c.tenant == key[1],
                lines.c.channel == key[2],
                lines.c.role == "assistant",
            )
            .order_by(lines.c.id.desc())
            .limit(1)
        )

        def work(connection: Connection) -> tuple[str, Given] | None:
            row = connection.execute(offering).one_or_none()
            if row is None:
                return None
            found = Given(*row[1:])
            newest = connection.execute(said).scalar_one_or_none()
            return (row[0], found) if newest == f"re:{found.event}" else None

        return await self.database.read(work)

    async def asked(self, key: tuple[str, str, str], event: str) -> str | None:
        """The question that was asked with this message and answered, as it was packed; None when it is not kept."""
        given = await self._given(key, inbox.c.event == event)
        return given.question if given is not None else None

    async def answer_to(self, key: tuple[str, str, str], event: str) -> str:
        """What was answered to a message, as far as it is kept."""
        statement = (
            select(lines.c.text)
            .where(
                lines.c.platform == key[0],
                lines.c.tenant == key[1],
                lines.c.channel == key[2],
                lines.c.message_id == f"re:{event}",
            )
            .limit(1)
        )

        def work(connection: Connection) -> str:
            return connection.execute(statement).scalar_one_or_none() or ""

        return await self.database.read(work)

    async def _given(self, key: tuple[str, str, str], which: Any) -> Given | None:
        statement = (
            select(*_GIVEN)
            .join(inbox, inbox.c.id == answers.c.heard)
            .outerjoin(posts, posts.c.heard == answers.c.heard)
            .where(
                which,
                answers.c.platform == key[0],
                answers.c.tenant == key[1],
                answers.c.channel == key[2],
            )
            .order_by(answers.c.heard.desc())
            .limit(1)
        )

        def work(connection: Connection) -> Given | None:
            row = connection.execute(statement).one_or_none()
            return Given(*row) if row else None

        return await self.database.read(work)

    async def kept_files(self, heard: int) -> tuple[File, ...]:
        """The files that a skill kept with its answer, in order."""
        statement = (
            select(files.c.id, files.c.name, files.c.media_type, files.c.data, files.c.alt)
            .where(files.c.heard == heard, files.c.kept)
            .order_by(files.c.id)
        )

        def work(connection: Connection) -> tuple[File, ...]:
            return tuple(File(*row) for row in connection.execute(statement))

        return await self.database.read(work)

    async def judge(self, key: tuple[str, str, str], heard: int, person: str, verdict: str, words: str) -> bool:
        """Remember what a person thinks of an answer; thinking again replaces it. Whether it is another verdict now."""
        value = {"verdict": verdict, "words": words, "at": datetime.now(UTC)}

        def work(connection: Connection) -> bool:
            which = (feedback.c.heard == heard, feedback.c.person == person)
            before = connection.execute(select(feedback.c.verdict).where(*which)).scalar_one_or_none()
            connection.execute(
                upsert(feedback)
                .values(heard=heard, person=person, platform=key[0], tenant=key[1], channel=key[2], **value)
                .on_conflict_do_update(index_elements=["heard", "person"], set_=value)
            )
            return before != verdict

        return await self.database.write(work)


def put_offer(
    connection: Connection, heard: int, key: tuple[str, str, str], offer: Offer, *, person: str, skill: str
) -> None:
    """Keep what an answer offers, in the transaction that keeps the answer."""
    now, skill = datetime.now(UTC), offer.skill or skill
    _OFFER.run(
        connection,
        {
            "heard": heard,
            "platform": key[0],
            "tenant": key[1],
            "channel": key[2],
            "person": person,
            "skill": skill,
            "question": offer.question,
            "buttons": offer.buttons,
            "about": offer.about,
            "at": now,
        },
    )
    _LET_GO.run(connection, {"answer": heard})
    for file in offer.files:
        connection.execute(
            insert(files).values(
                id=file.id,
                name=file.name,
                media_type=file.media_type,
                alt=file.alt,
                data=file.data,
                at=now,
                heard=heard,
                kept=True,
            )
        )
