"""`parley models`: which models are used for what, what their servers offer, and whether they work."""

import asyncio
import io
import json
import math
import struct
import time
import wave
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from bot.messages import Attachment
from bot.models import Choice, ModelError, Models, NoCredit, NotConfigured, Prompt, Provider, Role, TurnModels, Usage
from bot.models.compatible import Compatible
from bot.models.find import find_models
from bot.models.huggingface import HuggingFace
from bot.models.listing import Listed

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["Line", "Report", "Server", "look", "show"]

_LIST_SECONDS = 5.0
_SOON = 60  # days before its end that a model is warned of
_UPSTREAM, _CONFIGURATION = 69, 78


@dataclass(slots=True)
class Line:
    """One model in one role. `place` is 1 for the first choice; `state` is `on`, `off` (nobody serves the role), `soon`
    (it will be gone) or `wrong`. `micro_dollars` and `seconds` are those of the tiny call, where one was made.
    """

    role: Role
    place: int
    state: str
    provider: str = ""
    model: str = ""
    server: str = ""
    price: str = ""
    shutdown: str = ""
    note: str = ""
    seconds: float | None = None
    micro_dollars: int | None = None


@dataclass(slots=True)
class Server:
    """One server, and the names of the models that it lists; `wrong` says why there are none."""

    provider: str
    label: str
    models: list[str] = field(default_factory=list)
    wrong: str = ""


@dataclass(slots=True)
class Report:
    """What was found."""

    lines: list[Line]
    servers: list[Server]
    exit_code: int = 0


async def look(config: "Config", *, test: bool = False) -> Report:
    """Find the models, ask their servers what they have, and with `test` try each once."""
    models = await find_models(config)
    try:
        await models.know_prices()
        asked = [each for each in models.providers if isinstance(each, Compatible | HuggingFace)]
        lists = dict(zip(asked, await asyncio.gather(*(_offers(each) for each in asked)), strict=True))
        lines = [line for role in models.roles for line in _lines(models, role, config, lists)]
        if test:
            for line in lines:
                if line.place:
                    await _try(models, line)
        servers = [
            Server(each.name, each.label, [] if isinstance(found, str) else [entry.id for entry in found], _told(found))
            for each, found in lists.items()
        ]
    finally:
        await models.close()
    return Report(lines, servers, _exit_code(lines, lists))


async def _offers(provider: Compatible | HuggingFace) -> tuple[Listed, ...] | str:
    """What a server lists, or why it does not: `refused`, `silent` or `no list`."""
    if provider.name == "azure":  # what it lists are models that could be deployed
        return "no list"
    try:
        return await provider.offers(_LIST_SECONDS)
    except ValueError as error:
        return "refused" if str(error) in ("status 401", "status 403") else "no list"
    except (OSError, ModelError):
        return "silent"


def _told(found: Sequence[Listed] | str) -> str:
    words = {"refused": "does not accept the key", "silent": "does not answer", "no list": "lists no models"}
    return words[found] if isinstance(found, str) else ""


def _lines(
    models: Models, role: Role, config: "Config", lists: Mapping[Compatible | HuggingFace, tuple[Listed, ...] | str]
) -> list[Line]:
    lines = []
    choices = [choice for choice in models.choices(role) if choice.model_for(role)]
    for place, choice in enumerate(choices, 1):
        provider, model = choice.provider, choice.model_for(role)
        line = Line(role, place, "on", provider.name, model, provider.label, _price(provider, role, model))
        found = lists.get(provider, ()) if isinstance(provider, Compatible | HuggingFace) else ()
        if found in ("refused", "silent"):
            line.state, line.note = "wrong", f"the server {_told(found)}"
        elif not isinstance(found, str) and found:
            _compare(line, found)
        lines.append(line)
    if not choices:
        wanted = bool(getattr(config, f"{role}_model", ()))
        lines.append(Line(role, 0, "wrong" if wanted else "off", note=models.why_off(role)))
    return lines


def _compare(line: Line, found: Sequence[Listed]) -> None:
    entry = next((each for each in found if each.id == line.model), None)
    if entry is None:
        if line.provider != "huggingface":  # it lists only those that chat
            line.note = "the server does not list it"
        return
    line.shutdown = entry.shutdown
    try:
        left = (date.fromisoformat(entry.shutdown) - datetime.now(UTC).date()).days if entry.shutdown else _SOON + 1
    except ValueError:
        return
    if left <= _SOON:
        line.state = "soon" if left > 0 else "wrong"
        line.note = f"will be shut down on {entry.shutdown}" if left > 0 else f"has been shut down on {entry.shutdown}"


def _price(provider: Provider, role: Role, model: str) -> str:
    """What it costs, in the unit that belongs to the role."""
    usage = Usage(provider.name, model, role)
    match role:
        case "chat" | "vision":
            read = provider.cost(replace(usage, input_tokens=10**6))
            written = provider.cost(replace(usage, output_tokens=10**6))
            if read is None or written is None:
                return "unknown"
            return "free" if read == written == 0 else f"{_dollars(read)} + {_dollars(written)} a million tokens"
        case "image":
            cost, unit = provider.cost(replace(usage, output_tokens=1100, pictures=1)), "a picture"
        case "speech":
            cost, unit = provider.cost(replace(usage, seconds=60)), "a minute"
        case "voice":
            cost, unit = provider.cost(replace(usage, characters=1000)), "a thousand letters"
        case _:
            cost, unit = provider.cost(replace(usage, input_tokens=10**6)), "a million tokens"
    if cost is None:
        return "unknown"
    return f"{_dollars(cost)} {unit}" if cost else "free"


async def _try(models: Models, line: Line) -> None:
    """One tiny call of this model."""
    choice = next(
        each
        for each in models.choices(line.role)
        if (each.provider.name, each.model_for(line.role)) == (line.provider, line.model)
    )
    used: list[Usage] = []

    async def allow(_: Usage) -> None:
        """Whoever asks for a test wants it made."""

    turn = Models({line.role: [Choice(choice.provider, line.model)]}).for_turn(used.append, allow)
    begun = time.monotonic()
    try:
        line.note = "; ".join(filter(None, (await _ask(turn, line.role), line.note)))
    except ModelError as error:
        line.state, line.note = "wrong", str(error)
        if isinstance(error, NotConfigured | NoCredit):
            line.state = "unset"
    finally:
        line.seconds = round(time.monotonic() - begun, 2)
        costs = [each.cost for each in used]
        line.micro_dollars = None if None in costs or not costs else sum(cost for cost in costs if cost)
        await turn.close()


async def _ask(turn: TurnModels, role: Role) -> str:
    """Ask for something small; a few words about what came."""
    match role:
        case "chat" | "vision":
            shown = (_picture(),) if role == "vision" else ()
            question = Prompt("user", "Which colour is this? Say one word." if shown else "Say one word.", shown)
            answer = "".join([piece async for piece in turn.chat([question], max_tokens=64)])
            return f"said “{' '.join(answer.split())[:30]}”"
        case "image":
            (picture,) = await turn.image("A red circle on white.", size="1024x1024", quality="low")
            return f"drew {picture.size // 1000} kB"
        case "speech":
            heard = await turn.transcribe(_sound())
            return f"heard “{heard.text[:30]}”" if heard.text else "heard nothing in a tone, as it should"
        case "voice":
            return f"spoke {len((await turn.speak('Hello.')).data) // 1000} kB"
        case "embed":
            return f"{len((await turn.embed(['hello']))[0])} numbers"
        case "moderate":
            return "harmless, as it should" if not (await turn.moderate("Hello.")).flagged else "flagged a greeting"


def _picture() -> Attachment:
    """A red square, as a PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress((b"\0" + b"\xdc\x1e\x28" * 64) * 64)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return Attachment("red.png", "image/png", data, len(data))


def _sound() -> Attachment:
    """A second of a tone, as a WAV."""
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(at * 0.17))) for at in range(16000)))
    data = out.getvalue()
    return Attachment("tone.wav", "audio/wav", data, len(data), seconds=1.0)


def _exit_code(lines: Sequence[Line], lists: Mapping[Compatible | HuggingFace, tuple[Listed, ...] | str]) -> int:
    unset = any(line.state == "unset" or (line.state == "wrong" and not line.place) for line in lines)
    if unset or "refused" in lists.values():
        for line in lines:
            line.state = "wrong" if line.state == "unset" else line.state
        return _CONFIGURATION
    return _UPSTREAM if any(line.state == "wrong" for line in lines) else 0


def _dollars(micro: int) -> str:
    if 0 < micro < 100:
        return "< $0.0001"
    return f"${micro / 1e6:.4f}".rstrip("0") if micro % 10_000 else f"${micro / 1e6:.2f}"


def show(report: Report, *, as_json: bool = False) -> None:
    """Print it, for people or for programs."""
    if as_json:
        whole = {
            "models": [asdict(line) for line in report.lines],
            "servers": [asdict(each) for each in report.servers],
        }
        print(json.dumps(whole, indent=2, ensure_ascii=False), flush=True)
        return
    from rich.console import Console
    from rich.text import Text

    terminal = Console(highlight=False, markup=False, emoji=False)
    tried = any(line.seconds is not None for line in report.lines)
    rows: list[tuple[list[str], str, str]] = [(["role", "", "model", "server", "price"], "bold", "")]
    rows[0][0].extend(("tried", "cost") if tried else ())
    signs = {"on": ("on", "green"), "off": ("off", "yellow"), "soon": ("on !", "yellow"), "wrong": ("!!", "bold red")}
    for line in report.lines:
        sign, style = signs[line.state]
        cost = "" if line.seconds is None else "unknown" if line.micro_dollars is None else _dollars(line.micro_dollars)
        seconds = "" if line.seconds is None else f"{line.seconds:.1f} s"
        cells = [line.role if line.place <= 1 else "  then", "", line.model, line.server, line.price]
        cells[1] = sign
        rows.append(([*cells, *((seconds, cost) if tried else ())], style, line.note))
    widths = [max(len(cells[at]) for cells, *_ in rows) for at in range(len(rows[0][0]))]
    below = " " * (widths[0] + widths[1] + 4)
    for cells, style, note in rows:
        padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)]
        padded = padded if cells[2] else [*padded[:2], note]  # of what is off there is nothing else to say
        styled = [Text(cell, style if at == 1 or cells is rows[0][0] else "") for at, cell in enumerate(padded)]
        row = Text("  ").join(styled)
        row.rstrip()
        terminal.print(row, soft_wrap=True)
        if note and cells[2]:
            terminal.print(Text(below + note), soft_wrap=True)
    for server in report.servers:
        more = f" and {len(server.models) - 12} more" if len(server.models) > 12 else ""
        offers = server.wrong or f"offers {', '.join(server.models[:12]) or 'nothing'}{more}"
        terminal.print()
        terminal.print(Text.assemble((server.label, "bold"), f"  {offers}"), soft_wrap=True)
    terminal.file.flush()
