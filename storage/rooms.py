"""The web page's own conversations: what Discord and Teams keep for their channels, the page keeps here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from storage.records import File, Room, RoomMessage
from storage.store import Store
from storage.tables import files, room_messages, rooms

__all__ = ["FileFacts", "Rooms"]

_ROOM = (rooms.c.id, rooms.c.title, rooms.c.created_at, rooms.c.updated_at)
_MESSAGE = (
    room_messages.c.id,
    room_messages.c.room,
    room_messages.c.role,
    room_messages.c.text,
    room_messages.c.at,
    room_messages.c.author,
    room_messages.c.footer,
    room_messages.c.files,
    room_messages.c.answers,
    room_messages.c.running,
    room_messages.c.buttons,
    room_messages.c.replies,
)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What there is to say of a stored file without reading it; `size` in bytes."""

    id: str
    name: str
    media_type: str
    alt: str
    size: int


class Rooms:
    """Conversations of the web page and the messages in them."""

    def __init__(self, store: Store) -> None:
        self._write = store.database.write
        self._read = store.database.read

    async def all(self) -> list[Room]:
        """Every room, the one used last first."""

        def work(connection: Connection) -> list[Room]:
            found = connection.execute(select(*_ROOM).order_by(rooms.c.updated_at.desc(), rooms.c.id))
            return [Room(*row) for row in found]

        return await self._read(work)

    async def room(self, room_id: str) -> Room | None:
        """One room, or None."""

        def work(connection: Connection) -> Room | None:
            row = (connection.execute(select(*_ROOM).where(rooms.c.id == room_id))).one_or_none()
            return Room(*row) if row else None

        return await self._read(work)

    async def rename(self, room_id: str, title: str) -> bool:
        """Give a room another title; False when there is no such room."""

        def work(connection: Connection) -> bool:
            changed = connection.execute(update(rooms).where(rooms.c.id == room_id).values(title=title))
            return changed.rowcount > 0

        return await self._write(work)

    async def remove(self, room_id: str) -> list[str]:
        """Delete a room with its messages and files; returns the ids of the messages that were in it."""

        def work(connection: Connection) -> list[str]:
            where = room_messages.c.room == room_id
            gone = (connection.execute(select(room_messages.c.id, room_messages.c.files).where(where))).all()
            _drop_files(connection, [file for row in gone for file in row.files])
            connection.execute(delete(room_messages).where(where))
            connection.execute(delete(rooms).where(rooms.c.id == room_id))
            return [row.id for row in gone]

        return await self._write(work)

    async def messages(self, room_id: str, limit: int = 200, *, before: str = "") -> list[RoomMessage]:
        """The newest `limit` messages of a room, oldest first; with `before`, those said before that message."""
        statement = select(*_MESSAGE).where(room_messages.c.room == room_id)
        if before:
            place = select(room_messages.c.seq).where(room_messages.c.id == before).scalar_subquery()
            statement = statement.where(room_messages.c.seq < place)

        def work(connection: Connection) -> list[RoomMessage]:
            found = connection.execute(statement.order_by(room_messages.c.seq.desc()).limit(limit))
            return [_message(row) for row in found][::-1]

        return await self._read(work)

    async def message_ids(self, room_id: str) -> list[str]:
        """The ids of everything said in a room, oldest first."""
        statement = select(room_messages.c.id).where(room_messages.c.room == room_id).order_by(room_messages.c.seq)

        def work(connection: Connection) -> list[str]:
            return list((connection.execute(statement)).scalars())

        return await self._read(work)

    async def message(self, message_id: str) -> RoomMessage | None:
        """One message, or None."""

        def work(connection: Connection) -> RoomMessage | None:
            return _find(connection, message_id)

        return await self._read(work)

    async def say(self, message: RoomMessage, attached: Sequence[File], *, title: str = "") -> RoomMessage | None:
        """Take what a person said, with its files, and return it as it is kept: a message whose id is known already
        stays as it was. With `title`, a room that is not there is made; without, the answer is then None.
        """

        def work(connection: Connection) -> RoomMessage | None:
            if title:
                connection.execute(
                    upsert(rooms)
                    .values(id=message.room, title=title, created_at=message.at, updated_at=message.at)
                    .on_conflict_do_nothing()
                )
            known = _find(connection, message.id)
            if known is not None:
                return known
            if not _touch(connection, message.room):
                return None
            _put_files(connection, attached, message.at)
            connection.execute(insert(room_messages).values(id=message.id, **_values(message)))
            return message

        return await self._write(work)

    async def show(self, message: RoomMessage, attached: Sequence[File] = ()) -> bool:
        """Show an answer: a new one at the end of its room, a known one (same id) in its place. False when the room
        is gone.
        """

        def work(connection: Connection) -> bool:
            if not _touch(connection, message.room):
                return False
            before = _find(connection, message.id)
            _drop_files(connection, [file for file in (before.files if before else ()) if file not in message.files])
            _put_files(connection, attached, message.at)
            changed = connection.execute(
                update(room_messages).where(room_messages.c.id == message.id).values(**_values(message))
            )
            if changed.rowcount == 0:
                connection.execute(insert(room_messages).values(id=message.id, **_values(message)))
            return True

        return await self._write(work)

    async def several(self, message_ids: Sequence[str]) -> dict[str, RoomMessage]:
        """These messages, by id; those that are gone are left out."""

        def work(connection: Connection) -> dict[str, RoomMessage]:
            found = connection.execute(select(*_MESSAGE).where(room_messages.c.id.in_(list(message_ids))))
            return {row.id: _message(row) for row in found}

        return await self._read(work) if message_ids else {}

    async def press(self, message_id: str, action: str, among: Collection[str]) -> RoomMessage | None:
        """Mark a button as pressed, and `among` others no other. The message as it is now, or None when it is gone."""

        def work(connection: Connection) -> RoomMessage | None:
            message = _find(connection, message_id)
            if message is None:
                return None
            buttons = tuple(
                {**each, "pressed": each["action"] == action} if each["action"] in among else each
                for each in message.buttons
            )
            connection.execute(
                update(room_messages).where(room_messages.c.id == message_id).values(buttons=list(buttons))
            )
            return replace(message, buttons=buttons)

        return await self._write(work)

    async def withdraw(self, message: RoomMessage, *, with_room: bool = False) -> bool:
        """Take a message away, with its files; and `with_room` its room, when nothing else is in it. Whether the room
        went with it.
        """

        def work(connection: Connection) -> bool:
            _drop_files(connection, message.files)
            connection.execute(delete(room_messages).where(room_messages.c.id == message.id))
            left = select(room_messages.c.id).where(room_messages.c.room == message.room).limit(1)
            if not with_room or (connection.execute(left)).first() is not None:
                return False
            connection.execute(delete(rooms).where(rooms.c.id == message.room))
            return True

        return await self._write(work)

    async def settle(self, still_running: Collection[str], remark: str) -> list[str]:
        """Mark as ended what a process that is gone left running; `remark` stands where there was nothing yet. The ids
        of what was marked.
        """

        def work(connection: Connection) -> list[str]:
            found = connection.execute(select(*_MESSAGE).where(room_messages.c.running.is_(True)))
            left = [each for each in map(_message, found) if each.id not in still_running]
            for each in left:
                text = each.text if each.text or each.files else remark
                connection.execute(
                    update(room_messages).where(room_messages.c.id == each.id).values(running=False, text=text)
                )
            return [each.id for each in left]

        return await self._write(work)

    async def file_facts(self, file_ids: Sequence[str]) -> dict[str, FileFacts]:
        """What is known of these files, by id; those that are gone are left out."""
        statement = select(files.c.id, files.c.name, files.c.media_type, files.c.alt, func.length(files.c.data)).where(
            files.c.id.in_(list(file_ids))
        )

        def work(connection: Connection) -> dict[str, FileFacts]:
            return {row[0]: FileFacts(*row) for row in connection.execute(statement)}

        return await self._read(work) if file_ids else {}


def _find(connection: Connection, message_id: str) -> RoomMessage | None:
    row = (connection.execute(select(*_MESSAGE).where(room_messages.c.id == message_id))).one_or_none()
    return _message(row) if row else None


def _touch(connection: Connection, room_id: str) -> bool:
    """Note that something happens in a room; False when it is not there."""
    changed = connection.execute(update(rooms).where(rooms.c.id == room_id).values(updated_at=datetime.now(UTC)))
    return changed.rowcount > 0


def _put_files(connection: Connection, attached: Sequence[File], at: datetime) -> None:
    for file in attached:
        connection.execute(
            upsert(files)
            .values(
                id=file.id,
                name=file.name,
                media_type=file.media_type,
                alt=file.alt,
                data=file.data,
                at=at,
                heard=None,
            )
            .on_conflict_do_nothing()
        )


def _drop_files(connection: Connection, file_ids: Sequence[str]) -> None:
    for start in range(0, len(file_ids), 500):  # SQLite takes only so many values in one statement
        connection.execute(delete(files).where(files.c.id.in_(file_ids[start : start + 500])))


def _values(message: RoomMessage) -> dict[str, Any]:
    return {
        "room": message.room,
        "role": message.role,
        "author": message.author,
        "text": message.text,
        "footer": message.footer,
        "files": list(message.files),
        "answers": message.answers,
        "running": message.running,
        "at": message.at,
        "buttons": list(message.buttons),
        "replies": message.replies,
    }


def _message(row: Any) -> RoomMessage:
    return RoomMessage(
        id=row.id,
        room=row.room,
        role=row.role,
        text=row.text,
        at=row.at,
        author=row.author,
        footer=row.footer,
        files=tuple(row.files),
        answers=row.answers,
        running=row.running,
        buttons=tuple(row.buttons),
        replies=row.replies,
    )
