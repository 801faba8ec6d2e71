"""Files on the page: taken in within limits, given out so that they can do no harm."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adapters.web import uploads
from bot.messages import Attachment
from storage import File
from tests.echo_host import PageServer, serving
from tests.page_visitor import PNG, WAV, Visitor, visitor

ROOM = "00000000-0000-4000-8000-000000000001"
MEGABYTE = 1024 * 1024


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PageServer]:
    async with serving(tmp_path / "parley") as server:
        yield server


@pytest.fixture
async def someone(server: PageServer) -> AsyncIterator[Visitor]:
    async with visitor(server) as someone:
        yield someone


async def sent(someone: Visitor, name: str, media_type: str, content: bytes) -> dict[str, object]:
    """A file as the page lists it after it was sent."""
    status, answer = await someone.say(room=ROOM, files=((name, media_type, content),))
    assert status == 202, answer
    (file,) = answer["message"]["files"]
    return dict(file)


async def test_a_picture_and_a_voice_note_are_shown_and_come_back_whole(someone: Visitor) -> None:
    for name, media_type, content in (("a.png", "image/png", PNG), ("b.wav", "audio/wav", WAV)):
        file = await sent(someone, name, media_type, content)
        assert (file["name"], file["type"], file["size"]) == (name, media_type, len(content))
        async with someone.http.get(f"/api/files/{file['id']}") as response:
            assert await response.read() == content
            assert response.headers["Content-Type"] == media_type
            assert response.headers["Content-Disposition"].startswith("inline")
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("page.html", "text/html", b"<script>alert(1)</script>"),
        ("drawing.svg", "image/svg+xml", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("cat.png", "image/png", b"<html><script>alert(1)</script>"),
        ("song.mp3", "audio/mpeg", b"<script>alert(1)</script>"),
        ("paper.pdf", "application/pdf", b"%PDF-1.4"),
        ("strange", "text/html; charset=utf-8\tx", b"<b>"),
        ("strange", "../../x", b"x"),
    ],
)
async def test_what_is_not_really_a_picture_or_a_sound_is_only_to_be_saved(
    someone: Visitor, name: str, media_type: str, content: bytes
) -> None:
    file = await sent(someone, name, media_type, content)
    async with someone.http.get(f"/api/files/{file['id']}") as response:
        assert await response.read() == content
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["Content-Disposition"].startswith("attachment")
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("declared", "content", "taken_for"),
    [
        ("text/html", PNG, "image/png"),
        ("image/jpeg", PNG, "image/png"),
        ("", PNG, "image/png"),
        ("audio/webm;codecs=opus", b"\x1a\x45\xdf\xa3" + bytes(20), "audio/webm"),
        ("video/webm", b"\x1a\x45\xdf\xa3" + bytes(20), "video/webm"),
        ("audio/mp4", b"\x00\x00\x00\x20ftypiso5" + bytes(20), "audio/mp4"),
        ("audio/x-m4a", b"\x00\x00\x00\x20ftypM4A " + bytes(20), "audio/mp4"),
        ("text/plain", b"words", "text/plain"),
        ("nonsense", b"words", "application/octet-stream"),
        ("text/" + "x" * 200, b"words", "application/octet-stream"),
    ],
)
async def test_a_file_is_what_its_bytes_say(someone: Visitor, declared: str, content: bytes, taken_for: str) -> None:
    await sent(someone, "file", declared or "application/octet-stream", content)
    assert someone.server.host.messages[0].attachments[0].media_type == taken_for


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", ".. .. etc passwd"),
        ("C:\\temp\\cat.png", "C: temp cat.png"),
        ("gnp\u202e.exe", "gnp.exe"),
        ("a\tb  c.png", "a b c.png"),
        ("x" * 300 + ".png", "x" * 80),
        ("bücher 猫.png", "bücher 猫.png"),
        ("\u202e", "file.png"),
    ],
)
async def test_a_files_name_is_one_short_line(someone: Visitor, given: str, kept: str) -> None:
    file = await sent(someone, given, "image/png", PNG)
    assert file["name"] == kept
    async with someone.http.get(f"/api/files/{file['id']}") as response:
        assert response.content_disposition is not None
        assert response.content_disposition.filename == kept


async def test_four_files_of_25_megabytes_are_taken_and_nothing_more(someone: Visitor) -> None:
    largest = bytes(25 * MEGABYTE)
    files = tuple((f"{number}.bin", "application/octet-stream", largest) for number in range(4))
    assert (await someone.say(room=ROOM, files=files))[0] == 202
    status, answer = await someone.say(room=ROOM, files=(*files[:1], ("big.bin", "text/plain", largest + b"x")))
    assert status == 413
    assert "“big.bin” is too large" in answer["error"]
    assert "25 MB" in answer["error"]
    status, answer = await someone.say(room=ROOM, files=tuple(("a", "text/plain", b"a") for _ in range(5)))
    assert status == 413
    assert "4 files" in answer["error"]
    assert len(someone.server.host.messages) == 1


async def test_an_empty_file_is_refused(someone: Visitor) -> None:
    status, answer = await someone.say("Look", room=ROOM, files=(("empty.txt", "text/plain", b""),))
    assert status == 400
    assert "empty" in answer["error"]


async def test_a_form_with_endless_parts_is_refused(someone: Visitor) -> None:
    parts = (
        "".join(f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\nx\r\n' for n in range(1000)) + "--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    async with someone.http.post(f"/api/rooms/{ROOM}/messages", data=parts, headers=headers) as response:
        assert response.status == 413


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=" + "x" * 100, b"x", 400),
        ("multipart/form-data; boundary=b", b"nothing of the kind", 400),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\nhalf', 400),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--",
            400,
        ),
    ],
)
async def test_a_form_that_makes_no_sense_is_refused(
    someone: Visitor, content_type: str, body: bytes, status: int
) -> None:
    headers = {"Content-Type": content_type}
    async with someone.http.post(f"/api/rooms/{ROOM}/messages", data=body, headers=headers) as response:
        assert response.status == status
        assert (await response.json())["error"]


async def test_an_upload_that_stands_still_is_ended(someone: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_STALL_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", someone.server.adapter.port)
    try:
        writer.write(
            f"POST /api/rooms/{ROOM}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Authorization: Bearer {someone.server.token}\r\nContent-Length: 100000\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nand then nothing'.encode()
        )
        answer = await asyncio.wait_for(reader.readline(), 5)
        assert answer.split()[1] == b"408"
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("asked_for", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=10-", 206, slice(10, None)),
        ("bytes=-4", 206, slice(-4, None)),
        ("bytes=0-999999", 206, slice(0, None)),
        ("bytes=999-", 416, None),
        ("bytes=x", 416, None),
    ],
)
async def test_a_player_can_ask_for_a_part_of_a_sound(
    someone: Visitor, asked_for: str, status: int, part: slice | None
) -> None:
    file = await sent(someone, "note.wav", "audio/wav", WAV)
    async with someone.http.get(f"/api/files/{file['id']}", headers={"Range": asked_for}) as response:
        assert response.status == status
        if part is not None:
            content = WAV[part]
            assert await response.read() == content
            start = WAV.index(content)
            assert response.headers["Content-Range"] == f"bytes {start}-{start + len(content) - 1}/{len(WAV)}"
        else:
            assert response.headers["Content-Range"] == f"bytes */{len(WAV)}"


async def test_files_of_other_platforms_are_not_the_pages_to_show(someone: Visitor) -> None:
    store, secret = someone.server.store, File("12-0", "secret.png", "image/png", PNG)
    here = ("discord", "guild", "channel")
    heard = await store.accept(here, "event", "{}")
    assert heard
    await store.answered(heard, key=here, answer="", said=[], used=[], person="", skill="draw", attached=[secret])
    for file_id in ("12-0", f"web-{uuid.uuid4().hex}", "x" * 500, "..%2f..%2fweb-token"):
        async with someone.http.get(f"/api/files/{file_id}") as response:
            assert response.status == 404


async def test_a_file_in_an_answer_is_there_as_soon_as_the_page_is_told(someone: Visitor) -> None:
    await someone.say("Draw a fox", room=ROOM)
    answering = await someone.server.answering()
    await answering.show("Here")
    await answering.finish(
        "Here it is",
        Attachment("fox.png", "image/png", PNG, alt="A fox by lamplight"),
        Attachment("", "text/csv", b"a,b"),
    )
    picture, table = (await someone.messages(ROOM))[-1]["files"]
    assert (picture["alt"], picture["type"]) == ("A fox by lamplight", "image/png")
    assert table["name"] == "file.bin"
    async with someone.http.get(f"/api/files/{picture['id']}") as response:
        assert await response.read() == PNG
