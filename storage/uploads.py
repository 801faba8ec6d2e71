"""Files that wait for a person's word, and then go where that person keeps theirs: each is taken once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from storage.engine import Database
from storage.records import Upload
from storage.tables import inbox, uploads

__all__ = ["UPLOAD_HOURS", "Uploads"]

UPLOAD_HOURS = 24  # for which a file waits
_MOST = 20  # files that wait in one channel
_MOST_BYTES = 512 * 1024 * 1024  # of all that wait
_UPLOAD = (
    uploads.c.id,
    uploads.c.platform,
    uploads.c.tenant,
    uploads.c.channel,
    uploads.c.name,
    uploads.c.media_type,
    uploads.c.locale,
    uploads.c.message,
    uploads.c.state,
    uploads.c.target,
)


class Uploads:
    """The part of the store that files on their way out are kept in."""

    database: Database

    async def offer_upload(self, upload: Upload) -> None:
        """Keep a file that is about to be offered. Those offered longest ago make room for it."""
        platform, tenant, channel = upload.key
        here = (uploads.c.platform == platform, uploads.c.tenant == tenant, uploads.c.channel == channel)

        def work(connection: Connection) -> None:
            asked = (inbox.c.platform == platform, inbox.c.tenant == tenant, inbox.c.channel == channel)
            newest = select(inbox.c.person).where(*asked).order_by(inbox.c.id.desc()).limit(1)
            person = connection.execute(newest).scalar_one_or_none()
            now = datetime.now(UTC)
            connection.execute(delete(uploads).where(uploads.c.at < now - timedelta(hours=UPLOAD_HOURS)))
            older = select(uploads.c.id).where(*here).order_by(uploads.c.at.desc()).offset(_MOST - 1)
            connection.execute(delete(uploads).where(uploads.c.id.in_(older), uploads.c.state.in_(("offered", "done"))))
            _make_room(connection, len(upload.data))
            connection.execute(
                insert(uploads).values(
                    id=upload.id,
                    platform=platform,
                    tenant=tenant,
                    channel=channel,
                    person=person or "",
                    message=upload.message,
                    name=upload.name[:256],
                    media_type=upload.media_type[:128],
                    locale=upload.locale[:64],
                    data=upload.data,
                    state="offered",
                    target={},
                    at=now,
                )
            )

        await self.database.write(work)

    async def show_upload(self, upload_id: str, message: str) -> None:
        """Remember in which message a file is offered."""

        def work(connection: Connection) -> None:
            connection.execute(update(uploads).where(uploads.c.id == upload_id).values(message=message))

        await self.database.write(work)

    async def take_upload(self, key: tuple[str, str, str], upload_id: str, target: dict[str, Any]) -> Upload | None:
        """A person wants this file, there. As it was before: only who finds it `offered` has it to send.

        None when there is no such offer here, or none any more.
        """

        def work(connection: Connection) -> Upload | None:
            found = _find(connection, upload_id)
            if found is None or found.key != key:
                return None
            if found.state == "offered":
                connection.execute(
                    update(uploads).where(uploads.c.id == upload_id).values(state="accepted", target=target)
                )
            return found

        return await self.database.write(work)

    async def close_upload(self, upload_id: str) -> None:
        """The last piece of a file is about to be sent."""

        def work(connection: Connection) -> None:
            connection.execute(update(uploads).where(uploads.c.id == upload_id).values(state="closing"))

        await self.database.write(work)

    async def finish_upload(self, upload_id: str) -> None:
        """A file has arrived, or never will: nothing but that it was taken is kept."""

        def work(connection: Connection) -> None:
            wiped = {"state": "done", "data": b"", "target": {}, "name": ""}
            connection.execute(update(uploads).where(uploads.c.id == upload_id).values(**wiped))

        await self.database.write(work)

    async def drop_upload(self, key: tuple[str, str, str], *, upload_id: str = "", message: str = "") -> Upload | None:
        """Keep nothing of a file that is not wanted, or no longer offered in this message; what it was, without bytes.

        A file that was accepted stays.
        """

        def work(connection: Connection) -> Upload | None:
            here = (uploads.c.platform == key[0], uploads.c.tenant == key[1], uploads.c.channel == key[2])
            which = uploads.c.id == upload_id if upload_id else uploads.c.message == message
            dropped: str | None = connection.execute(
                select(uploads.c.id).where(*here, which, uploads.c.state == "offered").limit(1)
            ).scalar_one_or_none()
            found = _find(connection, dropped) if dropped is not None else None
            connection.execute(delete(uploads).where(uploads.c.id == dropped))
            return found

        return await self.database.write(work)

    async def uploads_underway(self, platform: str) -> list[Upload]:
        """Files that were accepted and have not arrived, as far as is known; without their bytes."""

        def work(connection: Connection) -> list[Upload]:
            rows = connection.execute(
                select(*_UPLOAD)
                .where(uploads.c.platform == platform, uploads.c.state.in_(("accepted", "closing")))
                .order_by(uploads.c.at)
            )
            return [_read(row) for row in rows]

        return await self.database.read(work)

    async def upload_bytes(self, upload_id: str) -> bytes:
        """What is in a file; empty when it is not kept any more."""

        def work(connection: Connection) -> bytes:
            found: bytes | None = connection.execute(
                select(uploads.c.data).where(uploads.c.id == upload_id)
            ).scalar_one_or_none()
            return found or b""

        return await self.database.read(work)


def _make_room(connection: Connection, wanted: int) -> None:
    held: int = connection.execute(select(func.coalesce(func.sum(func.length(uploads.c.data)), 0))).scalar_one()
    if held + wanted <= _MOST_BYTES:
        return
    oldest = select(uploads.c.id, func.length(uploads.c.data)).where(uploads.c.state == "offered")
    for upload_id, size in connection.execute(oldest.order_by(uploads.c.at)).all():
        if held + wanted <= _MOST_BYTES:
            return
        connection.execute(delete(uploads).where(uploads.c.id == upload_id))
        held -= size


def _find(connection: Connection, upload_id: str) -> Upload | None:
    fresh = uploads.c.at >= datetime.now(UTC) - timedelta(hours=UPLOAD_HOURS)
    row = connection.execute(select(*_UPLOAD).where(uploads.c.id == upload_id, fresh)).one_or_none()
    return _read(row) if row is not None else None


def _read(row: Any) -> Upload:
    """Without its bytes."""
    return Upload(
        row.id,
        (row.platform, row.tenant, row.channel),
        row.name,
        row.media_type,
        b"",
        row.locale,
        row.message,
        row.state,
        row.target,
    )
