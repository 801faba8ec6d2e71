"""What calls cost, in micro-dollars (a millionth of a US dollar), and how many tokens a text will be.

How a budget is built on this:

1. Before every call, `Models.for_turn(before=…)` has a budget told what it may use at most: its input as measured, its
   output as long as it may get. `Models.reserve` says what that may cost, and the budget refuses by raising.
   `TurnModels.estimate(role, …)` says the same to a skill.
2. `Usage.cost` says afterwards what it did cost. `None` means that the price is not known, here as there.

Where a price comes from, the first that knows: what an operator wrote in `PARLEY_PRICES`; nothing at all for a server
on one's own machines; the table below; the `genai-prices` library, whose figures come with it (nothing is fetched). A
gateway is taken to charge what OpenAI charges for a model of the same name.
"""

import asyncio
import functools
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.models.provider import Detail, Prompt, Role, Tool, Usage, estimate_tokens

__all__ = ["Price", "Prices", "Tokens", "likely_usage", "read_prices"]

log = structlog.get_logger(__name__)


class Price(BaseModel):
    """US dollars: for a million tokens of input, of input that was read before, and of output; for a minute of sound;
    for a picture; for a million characters read aloud. What is not given costs nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(0.0, ge=0)
    cached: float | None = Field(None, ge=0)
    output: float = Field(0.0, ge=0)
    minute: float = Field(0.0, ge=0)
    picture: float = Field(0.0, ge=0)
    characters: float = Field(0.0, ge=0)


_FREE = Price()

# OpenAI's own, November 2026, for what is not counted in tokens. The pictures of GPT Image 2.6 are taken to cost what
# those of 2.5 do, and a character read aloud by gpt-4o-mini-tts its share of a minute: neither is published as such.
_TABLE: Mapping[str, Price] = MappingProxyType(
    {
        "omni-moderation-*": _FREE,
        "text-moderation-*": _FREE,
        "gpt-transcribe*": Price(minute=0.0045),
        "gpt-4o-mini-transcribe*": Price(minute=0.003),
        "gpt-4o-transcribe*": Price(minute=0.006),
        "whisper-1": Price(minute=0.006),
        "tts-1-hd*": Price(characters=30.0),
        "tts-1*": Price(characters=15.0),
        "gpt-4o-mini-tts*": Price(characters=17.0),
        "gpt-image-2.6-*": Price(input=5.0, cached=1.25, output=30.0),
        "dall-e-3": Price(picture=0.04),
        "dall-e-2": Price(picture=0.02),
    }
)
_UNLIKE_OPENAI = ("openrouter", "huggingface", "ollama", "lmstudio", "llamacpp", "vllm", "localai", "transformers")
_LONG_ANSWER = 4096  # tokens
_FINE_TOKENS = 3000  # more, of a picture that is shown large
_EDIT_TOKENS = 4000  # of a picture that is to be changed
# Tokens that a picture of 1024 × 1024 pixels is painted with.
_PAINTED = {"low": 300, "medium": 1100, "standard": 1100, "high": 4200, "hd": 4200, "xhigh": 6300, "max": 8400}


class Prices:
    """The prices of this installation. `given` are an operator's: "provider:model" or "model", `*` for anything."""

    def __init__(self, given: Mapping[str, Price] = MappingProxyType({})) -> None:
        self._given = dict(given)
        self._known: dict[tuple[str, str, bool], Price | None] = {}
        self._loaded = False

    async def load(self) -> None:
        """Load the library, which takes a moment. Quick when that is done."""
        if not self._loaded:
            await asyncio.to_thread(_from_library, "openai", "gpt-6-luna")
            self._loaded = True

    def price(self, provider: str, model: str, *, free: bool = False) -> Price | None:
        """The price of a model; `None` where it is not known. `free` is what runs on one's own machines."""
        key = provider, model, free
        if key not in self._known:
            found = self._own(*key)
            self._known[key] = _from_library(provider, model) if found is None else found
            if self._known[key] is None:
                log.warning("price not known; set PARLEY_PRICES", provider=provider, model=model)
        return self._known[key]

    def cost(self, usage: Usage, *, free: bool = False) -> int | None:
        """What a call cost, in micro-dollars, rounded up; `None` where the price is not known."""
        price = self.price(usage.provider, usage.model, free=free)
        if price is None:
            return None
        cached = min(usage.cached_tokens, usage.input_tokens)
        tokens = (
            (usage.input_tokens - cached) * price.input
            + cached * (price.input if price.cached is None else price.cached)
            + usage.output_tokens * price.output
        )
        dear = _dearer(usage) if price.picture else 1.0
        dollars = usage.seconds / 60 * price.minute + usage.pictures * price.picture * dear
        return math.ceil(round(tokens + dollars * 1e6 + usage.characters * price.characters, 6))

    def _own(self, name: str, model: str, free: bool) -> Price | None:
        for pattern, price in self._given.items():
            if fnmatchcase(f"{name}:{model}", pattern) or fnmatchcase(model, pattern):
                return price
        if free:
            return _FREE
        if name not in _UNLIKE_OPENAI:
            return next((price for pattern, price in _TABLE.items() if fnmatchcase(_plain(model), pattern)), None)
        return None


class Tokens:
    """How many tokens texts are, estimated from their bytes and corrected for each model by what its server counts."""

    _SLOWLY = 0.2  # the weight of each new count

    def __init__(self) -> None:
        self._ratios: dict[tuple[str, str], float] = {}

    def count(self, provider: str, model: str, estimate: int) -> int:
        """`estimate` (see `estimate_tokens`) as this model counts."""
        return math.ceil(round(estimate * self._ratios.get((provider, model), 1.0), 6))

    def learn(self, provider: str, model: str, estimate: int, counted: int) -> None:
        """A server counted this many tokens where so many were estimated."""
        if estimate < 50 or counted <= 0:
            return
        ratio = min(max(counted / estimate, 0.25), 4.0)
        before = self._ratios.get((provider, model), ratio)
        self._ratios[provider, model] = before + (ratio - before) * self._SLOWLY


def likely_usage(
    role: Role,
    *,
    prompts: Sequence[Prompt] = (),
    tools: Sequence[Tool] = (),
    max_tokens: int | None = None,
    text: str = "",
    seconds: float = 0.0,
    count: int = 1,
    size: str = "",
    quality: str = "",
    edits: int = 0,
    detail: Detail = "auto",
    read: int | None = None,
) -> Usage:
    """What a call will use at most, as far as can be said before it. `read` are the tokens of the prompts, where they
    have been counted already.
    """
    match role:
        case "chat" | "vision":
            offered = sum(len(tool.name) + len(tool.help) + len(str(tool.schema)) for tool in tools) // 4
            fine = sum(len(prompt.pictures) for prompt in prompts) * _FINE_TOKENS if detail == "high" else 0
            read = (estimate_tokens(prompts) if read is None else read) + offered + fine
            return Usage("", "", role, read, max_tokens or _LONG_ANSWER, estimated=True)
        case "speech":
            return Usage("", "", role, seconds=seconds, estimated=True)
        case "image":
            read = estimate_tokens([Prompt("user", text)]) + edits * _EDIT_TOKENS
            painted = count * _painted(size, quality)
            guess = Usage("", "", role, read, painted, count, estimated=True)
            return replace(guess, size=size, quality=quality)
        case _:
            characters = len(text) if role == "voice" else 0
            tokens = estimate_tokens([Prompt("user", text)])
            return Usage("", "", role, tokens, estimated=True, characters=characters)


def _painted(size: str, quality: str) -> int:
    """About how many tokens a GPT Image model paints a picture of this size and quality with."""
    try:
        width, height = (int(side) for side in size.split("x"))
    except ValueError:
        width = height = 1024
    return max(1, _PAINTED.get(quality, _PAINTED["high"]) * width * height // 1024**2)


def read_prices(text: str) -> dict[str, Price]:
    """The prices in `text`: JSON, or the path of a JSON or TOML file. Raises `ValueError` that says what is wrong."""
    text = text.strip()
    if not text:
        return {}
    inline = text.startswith("{")
    try:
        content = text if inline else Path(text).expanduser().read_text("utf-8")
        told = tomllib.loads(content) if not inline and text.endswith(".toml") else json.loads(content)
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"is neither JSON nor the path of a JSON or TOML file ({error})") from None
    if not isinstance(told, dict):
        raise ValueError('has to be an object such as {"openai:gpt-6-luna": {"input": 0.1, "output": 0.5}}')
    prices = {}
    for name, price in told.items():
        try:
            prices[str(name)] = Price.model_validate(price)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            known = ", ".join(Price.model_fields)
            wrong = where or "an object is wanted"
            text = f"does not say what {name} costs ({wrong}): write US dollars for any of {known}"
            raise ValueError(text) from None
    return prices


def _plain(model: str) -> str:
    """The name without the vendor that gateways put in front."""
    return model.lower().rpartition("/")[2]


def _dearer(usage: Usage) -> float:
    """How many times the usual price a picture of DALL·E 3 costs in this size and quality."""
    if _plain(usage.model) != "dall-e-3":
        return 1.0
    large = usage.size not in ("", "auto", "1024x1024")
    fine = usage.quality in ("hd", "high", "max")
    return {(False, False): 1.0, (True, False): 2.0, (False, True): 2.0, (True, True): 3.0}[large, fine]


@functools.lru_cache(maxsize=256)
def _from_library(provider: str, model: str) -> Price | None:
    """What the library knows. Loading it takes a moment: not in the event loop."""
    if provider in _UNLIKE_OPENAI and provider != "openrouter":
        return None
    vendor = provider if provider in ("azure", "openrouter") else "openai"
    from genai_prices import Usage as Counted
    from genai_prices import calc_price

    name = model if vendor == "openrouter" else _plain(model)
    some = 1000  # long prompts cost more with some models; none that is sent from here is that long
    try:
        told = calc_price(Counted(input_tokens=some, output_tokens=some), model_ref=name, provider_id=vendor)
        read = calc_price(
            Counted(input_tokens=some, cache_read_tokens=some), model_ref=name, provider_id=vendor
        ).input_price
    except LookupError:
        return None
    price = Price(
        input=float(told.input_price) * 1e6 / some,
        cached=float(read) * 1e6 / some,
        output=float(told.output_price) * 1e6 / some,
    )
    return price if price != Price(cached=0.0) else None  # it does not say what minutes and pictures cost
