"""Files of this machine: those in a line that was typed, and those that come with an answer."""

import hashlib
import mimetypes
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.errors import UserError
from bot.markup import clean_name
from bot.media import extension, sniff
from bot.messages import Attachment

__all__ = ["as_attachment", "find_files", "keep", "named_files", "read"]

# A word as a shell or a terminal writes it: in quotes, or with a backslash before each blank.
_WORD = re.compile(r"""'(?P<single>[^']+)'|"(?P<double>[^"]+)"|(?P<bare>(?:\\.|[^\s\\])+)""")
_STOPS = ".,;:!?)"
_SENT_UNASKED = ("image", "audio", "video")


def find_files(line: str) -> tuple[str, tuple[Attachment, ...]]:
    """The pictures and sounds whose paths stand in a line, and the line without them.

    Only these: that a sentence mentions some other file that exists does not mean that it is to be sent.
    At either end of a line a path is dropped; in the middle the file's name stays, so that the sentence can be read.
    """
    found: list[tuple[int, int, Attachment]] = []
    for match in _WORD.finditer(line):
        path, end = _path(match), match.end()
        if path is None and match["bare"]:  # "what is in fox.png?"
            path, end = _existing(match["bare"].rstrip(_STOPS)), match.start() + len(match["bare"].rstrip(_STOPS))
        if path is not None and _is_medium(path):
            found.append((match.start(), end, as_attachment(path)))
    text = line
    for start, end, attachment in reversed(found):
        between = line[:start].strip() and line[end:].strip()
        text = f"{text[:start]}{attachment.name if between else ''}{text[end:]}"
    return text.strip(), tuple(attachment for _, _, attachment in found)


def named_files(rest: str) -> list[Path]:
    """The files that `/attach` was given. Raises `UserError` when there is none."""
    whole = _existing(rest.strip())
    if whole is not None:
        return [whole]
    files: list[Path] = []
    for match in _WORD.finditer(rest):
        path = _path(match)
        if path is None:
            raise UserError(f"There is no file “{match.group()}”. Give its path, in quotes if it has blanks in it.")
        files.append(path)
    if not files:
        raise UserError("Which file? Write /attach and its path.")
    return files


def as_attachment(path: Path) -> Attachment:
    """A file as it goes with a message: its kind by its first bytes, its bytes to be read when they are needed."""
    try:
        with path.open("rb") as file:
            head = file.read(64)
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"“{path.name}” cannot be read: {error.strerror}.") from None
    media_type = sniff(head) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Attachment(clean_name(path.name), media_type, size=size, source=str(path.absolute()))


def read(attachment: Attachment, limit: int) -> bytes:
    """The bytes of an attached file. Raises `UserError` when there are more than `limit`, or none to be had."""
    try:
        with Path(attachment.source).open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise UserError(f"“{attachment.name}” cannot be read: {error.strerror}.") from None
    if len(content) > limit:
        raise UserError(f"“{attachment.name}” is too large: I can read {limit // 1024**2} MB at most.")
    return content


def keep(folder: Path, attachment: Attachment) -> Path:
    """Keep a file that came with an answer in the data folder; the same one twice is kept once."""
    where = folder / ("pictures" if attachment.kind == "image" else "files")
    where.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w-]+", "-", Path(attachment.name).stem).strip("-")[:40] or "file"
    digest = hashlib.sha256(attachment.data).hexdigest()[:8]
    path = where / f"{stem}-{digest}.{extension(sniff(attachment.data) or attachment.media_type)}"
    path.write_bytes(attachment.data)
    return path


def _is_medium(path: Path) -> bool:
    try:
        return as_attachment(path).kind in _SENT_UNASKED
    except UserError:  # it is said to whoever meant to send it, not to whoever only mentions a name
        return (mimetypes.guess_type(path.name)[0] or "").startswith(_SENT_UNASKED)


def _path(match: re.Match[str]) -> Path | None:
    bare = match["bare"]
    return _existing(match["single"] or match["double"] or (re.sub(r"\\(.)", r"\1", bare) if bare else ""))


def _existing(text: str) -> Path | None:
    if text.startswith("file://"):
        text = unquote(urlsplit(text).path)
    if not text or "\x00" in text or len(text) > 4096:
        return None
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):  # too long for a name, or `~somebody` who is not there
        return None
