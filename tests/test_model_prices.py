"""What calls cost: before, afterwards, and where nobody knows."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.config import ConfigError, load_config
from bot.errors import UserError
from bot.messages import Attachment
from bot.models import Choice, Models, Prompt, Role, Usage
from bot.models.prices import Price, Prices, Tokens, read_prices
from bot.models.profiles import PROFILES
from bot.testing import ScriptedModel
from tests.fakes.openai import FakeOpenAI
from tests.model_rig import models_at, models_of
from tests.sounds import tone, wav


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


class Paid(ScriptedModel):
    """A provider whose models cost what those of that name do."""

    def __init__(self, name: str, *, free: bool = False) -> None:
        super().__init__("one two three")
        self.name = name  # type: ignore[misc]
        self.free = free


NOTE = Attachment("v.wav", "audio/wav", wav(tone(1.0)))


async def test_every_kind_of_call_is_put_on_the_bill_with_its_price(openai: FakeOpenAI) -> None:
    openai.reply_with("one two three")
    async with models_at(openai) as turn:
        await turn.ask("hello " * 1000)
        await turn.models.image("a fox")
        await turn.models.transcribe(NOTE)
        await turn.models.speak("x" * 1000)
        await turn.models.embed(["fox " * 100])
        await turn.models.moderate("a fox")
    chat, image, speech, voice, embed, moderate = (used.cost for used in turn.used)
    tokens = turn.used[0].input_tokens
    assert chat == -(-(tokens * 100 + 3 * 500) // 1000)  # $0.10 and $0.50 for a million
    assert image == 50 + 6000
    assert speech == pytest.approx(75, abs=1)  # a second of $0.0045 a minute
    assert voice == 17_000
    assert embed == 2
    assert moderate == 0


@pytest.mark.parametrize(
    ("provider", "model", "usage", "micro_dollars"),
    [
        ("openai", "gpt-6-luna", {"input_tokens": 10_000, "output_tokens": 1_000}, 1_500),
        ("openai", "gpt-6-luna", {"input_tokens": 10_000, "cached_tokens": 10_000}, 100),
        ("azure", "gpt-6-luna", {"output_tokens": 2_000}, 1_000),
        ("openrouter", "openai/gpt-6-luna", {"output_tokens": 2_000}, 1_000),
        ("litellm", "openai/whisper-1", {"seconds": 90.0}, 9_000),
        ("openai", "dall-e-3", {"pictures": 2}, 80_000),
        ("ollama", "llama3", {"output_tokens": 10**6}, None),
        ("openai", "my-own-model", {"output_tokens": 10**6}, None),
        ("custom", "llama3", {"output_tokens": 10**6}, None),
    ],
)
async def test_prices_are_known_or_said_not_to_be(
    provider: str, model: str, usage: dict[str, float], micro_dollars: int | None
) -> None:
    prices, used = Prices(), Usage(provider, model, "chat", **usage)  # type: ignore[arg-type]
    await prices.load()
    assert prices.cost(used) == micro_dollars
    assert prices.cost(used, free=True) == 0


async def test_an_operator_knows_better(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('["ollama:*"]\noutput = 2.0\n\n["gpt-6-luna"]\ninput = 1\ncached = 0.5\n')
    prices = Prices(read_prices(str(file)))
    assert prices.cost(Usage("ollama", "llama3", "chat", 5, 10**6), free=True) == 2_000_000
    assert prices.cost(Usage("openai", "gpt-6-luna", "chat", 10**6, 10**6, cached_tokens=10**6)) == 500_000


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{", "is neither JSON nor the path"),
        ("nowhere.json", "cannot be read"),
        ("{not json}", "is neither JSON"),
        ('{"gpt-6-luna": 5}', "does not say what gpt-6-luna costs"),
        ('{"gpt-6-luna": {"inputs": 5}}', "any of input, cached, output"),
        ('{"gpt-6-luna": {"input": -5}}', "does not say what gpt-6-luna costs"),
    ],
)
def test_wrong_prices_are_reported_with_the_configuration(written: str, says: str) -> None:
    with pytest.raises(ConfigError, match="PARLEY_PRICES") as wrong:
        load_config(prices=written)
    assert says in str(wrong.value)


async def test_a_budget_is_asked_before_every_call_and_may_refuse_it(openai: FakeOpenAI) -> None:
    asked: list[tuple[Role, int | None]] = []
    async with models_at(openai) as turn:

        async def before(guess: Usage) -> None:
            asked.append((guess.role, turn.all.reserve(guess)))
            if len(asked) == 4:
                raise UserError("Today's money is spent.")

        models = turn.all.for_turn(turn.used.append, before)
        async for _ in models.chat([Prompt("user", "hello")], max_tokens=1000):
            pass
        await models.image("a fox", quality="high", count=2)
        await models.transcribe(NOTE)
        assert models.estimate("chat", prompts=[Prompt("user", "hello")], max_tokens=1000) == asked[0][1]
        with pytest.raises(UserError, match="spent"):
            await models.image("a fox")
    assert [role for role, _ in asked] == ["chat", "image", "speech", "image"]
    costs = [cost for _, cost in asked]
    assert costs[0] == 501  # a thousand tokens of $0.50 a million, and a little to read
    assert costs[1] is not None
    assert costs[1] > 2 * 4000 * 30
    assert len(openai.of("/images/generations")) == 1
    assert [used.role for used in turn.used] == ["chat", "image", "speech"]
    assert [used.cost for used in turn.used] == [turn.all.cost(used) for used in turn.used]


async def test_a_price_that_nobody_knows_is_said_to_be_unknown_beforehand(openai: FakeOpenAI) -> None:
    openai.models = ("llama3",)
    profile = PROFILES["custom"]
    async with models_of(openai.url, "llama3", key=openai.key, profile=profile) as turn:
        await turn.ask("hello")
        assert turn.models.estimate("chat", prompts=[Prompt("user", "hello")]) is None
        assert turn.used[0].cost is None
    async with models_of(openai.url, "llama3", profile=PROFILES["ollama"]) as turn:
        assert turn.models.estimate("chat", prompts=[Prompt("user", "hello")]) == 0


async def test_tokens_are_counted_as_each_server_has_counted_before(openai: FakeOpenAI) -> None:
    openai.reply_with("ok")
    said = [Prompt("user", "word " * 400)]
    async with models_at(openai) as turn:
        before = turn.models.count(said)
        for _ in range(3):
            await turn.ask(*said)
        told = turn.used[-1].input_tokens
        assert before != told
        assert turn.models.count(said) == pytest.approx(told, rel=0.02)


@pytest.mark.parametrize(
    ("counts", "expected"), [([2000], 2000), ([100_000], 4000), ([0, -1], 1000), ([2000] + [1000] * 30, 1001)]
)
def test_one_odd_count_does_not_spoil_the_rest(counts: list[int], expected: int) -> None:
    tokens = Tokens()
    tokens.learn("openai", "m", 10, 5000)  # too short to say anything
    for count in counts:
        tokens.learn("openai", "m", 1000, count)
    assert tokens.count("openai", "m", 1000) == pytest.approx(expected, rel=0.01)
    assert tokens.count("openai", "other", 1000) == 1000


async def test_a_moderator_chooses_from_what_an_operator_allows() -> None:
    usual, better, elsewhere = Paid("openai"), Paid("azure"), Paid("ollama")
    models = Models(
        {"chat": [Choice(usual, "small")], "vision": [Choice(usual, "small")], "image": [Choice(usual, "painter")]},
        offered={"chat": [Choice(better, "large"), Choice(elsewhere, "llama")]},
    )
    assert models.allowed("chat") == ("openai:small", "azure:large", "ollama:llama")
    assert models.allowed("image") == ("openai:painter",)

    def asked(**chosen: str) -> Callable[[Role], list[str]]:
        return lambda role: [choice.named(role) for choice in models.choices(role, chosen)]  # type: ignore[arg-type]

    assert asked(chat="azure:large")("chat") == ["azure:large", "openai:small"]
    assert asked(chat="azure:large")("vision") == ["azure:large", "openai:small"]
    assert asked(chat="azure:large")("image") == ["openai:painter"]
    assert asked(chat="openai:gone")("chat") == ["openai:small"]

    async def allow(_: Usage) -> None:
        pass

    turn = models.for_turn(lambda _: None, allow, chosen={"chat": "azure:large"})
    assert [piece async for piece in turn.chat([Prompt("user", "hi")])]
    assert (len(better.asked), len(usual.asked)) == (1, 0)


def test_prices_may_stand_in_the_environment_itself() -> None:
    prices = read_prices(json.dumps({"x:*": {"minute": 0.5}}))
    assert prices == {"x:*": Price(minute=0.5)}
