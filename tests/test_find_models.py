"""Which models are found, and what is said of those that are not."""

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from bot.config import load_config
from bot.models import (
    NotConfigured,
    Role,
)
from bot.models.compatible import Compatible
from bot.models.find import find_models
from bot.models.profiles import OFFICIAL
from tests.fakes.openai import FakeOpenAI, faults
from tests.model_rig import Turn, models_at


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        yield openai


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not to change what is found."""
    monkeypatch.setattr("bot.models.find._PROBE_SECONDS", 5.0)
    monkeypatch.setattr("bot.models.compatible._LIST_SECONDS", 5.0)


async def test_with_one_key_everything_is_on() -> None:
    models = await find_models(load_config(openai_api_key="sk-one"))
    assert models.describe() == {role: f"OpenAI: {name}" for role, name in OFFICIAL.items()}
    assert models.notices == ()
    await models.close()


async def test_with_nothing_the_practice_model_answers_and_says_what_to_set() -> None:
    models = await find_models(load_config())
    said = models.describe()
    assert said["chat"] == said["image"] == "practice model: built-in"
    assert said["embed"] == "Comparing meanings is off. Set OPENAI_API_KEY, or start Ollama."
    assert said["voice"] == "Reading aloud is off. Set OPENAI_API_KEY.", "Ollama cannot do that"
    assert models.notices == ("Practice model: no AI here. Set OPENAI_API_KEY or start Ollama for real answers.",)
    assert not models.serves("embed")
    await models.close()


async def test_a_server_on_this_machine_is_found_and_used_for_what_it_has() -> None:
    names = ("nomic-embed-text", "llama3.2:3b", "qwen2.5-vl:7b")
    async with FakeOpenAI(key="", models=names) as ollama, FakeOpenAI(key="", models=("whisper-1",)) as other:
        ports = {
            int(other.url.split(":")[2].split("/")[0]): "vllm",
            int(ollama.url.split(":")[2].split("/")[0]): "ollama",
        }
        models = await find_models(load_config(probe=True), ports=ports)
        turn = Turn(models)
        said = models.describe()
        where = ollama.url.removeprefix("http://").removesuffix("/v1")
        assert said["chat"] == f"Ollama on this machine ({where}): llama3.2:3b"
        assert said["vision"] == f"Ollama on this machine ({where}): qwen2.5-vl:7b"
        assert said["embed"].endswith("nomic-embed-text")
        assert (
            said["image"] == "Drawing is off. Ollama shows no model for it. Set PARLEY_IMAGE_MODEL to one that it has."
        )
        with pytest.raises(NotConfigured, match="Set PARLEY_IMAGE_MODEL"):
            await turn.models.image("a fox")
        assert await turn.ask("hello") == "echo: hello (1 messages)"
        await models.close()


async def test_nothing_is_sent_to_a_server_here_but_what_it_is_asked(
    openai: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key meant for OpenAI does not go to whatever listens on this machine."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    async with FakeOpenAI(key="", models=("llama3",)) as ollama:
        port = int(ollama.url.split(":")[2].split("/")[0])
        models = await find_models(load_config(probe=True), ports={port: "ollama"})
        monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
        await Turn(models).ask("hello")
        await models.close()
        assert "secret" not in str([call.headers for call in ollama.calls])
        assert {call.headers["connection"] for call in ollama.calls} == {"close"}


async def test_what_listens_but_is_no_model_server_is_passed_over(openai: FakeOpenAI) -> None:
    openai.fail_with(faults.html(), path="/models")
    port = int(openai.url.split(":")[2].split("/")[0])
    models = await find_models(load_config(probe=True), ports={port: "vllm", 9: "ollama"})
    assert models.describe()["chat"] == "practice model: built-in"
    await models.close()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("gpt-6-luna gpt-image-2.6-flare gpt-transcribe", "gpt-6-luna gpt-6-luna gpt-image-2.6-flare gpt-transcribe"),
        ("text-embedding-3-small tts-1 whisper-1 my-model dall-e-3", "my-model my-model dall-e-3 whisper-1"),
        ("mistral llava-1.6 stable-diffusion-xl", "mistral llava-1.6 stable-diffusion-xl gpt-transcribe"),
        ("", "gpt-6-luna gpt-6-luna gpt-image-2.6-flare gpt-transcribe"),
    ],
)  # fmt: skip
async def test_the_models_of_a_named_server_are_chosen_by_their_names(names: str, expected: str) -> None:
    async with FakeOpenAI(models=tuple(names.split())) as openai, models_at(openai) as turn:
        said = turn.all.describe()
    roles: tuple[Role, ...] = ("chat", "vision", "image", "speech")
    assert [said[role].rpartition(": ")[2] for role in roles] == expected.split()


async def test_models_are_named_by_hand_with_fallbacks_and_providers(openai: FakeOpenAI) -> None:
    named = {"chat_model": "large, openai:gpt-6-luna", "image_model": "azure:pictures", "speech_model": "llama3.2:3b"}
    async with models_at(openai, **named) as turn:
        said = turn.all.describe()
    here = "Model server on this machine"
    assert said["chat"].startswith(here)
    assert said["chat"].endswith("large")
    assert said["speech"].endswith(": llama3.2:3b")
    assert said["image"] == (
        "Drawing is off. PARLEY_IMAGE_MODEL names azure: set AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY."
    )


async def test_azure_wants_its_deployments_named() -> None:
    azure = {"azure_openai_endpoint": "https://ours.openai.azure.com/", "azure_openai_api_key": "k"}
    models = await find_models(load_config(**azure, chat_model="talker"))
    said = models.describe()
    assert said["chat"] == said["vision"] == "Azure OpenAI (ours): talker"
    assert said["image"] == "Drawing is off. Set PARLEY_IMAGE_MODEL to the name of a deployment."
    (provider,) = models.providers
    assert isinstance(provider, Compatible)
    assert provider.profile.base_url == "https://ours.openai.azure.com/openai/v1"
    await models.close()


async def test_an_address_without_a_path_is_completed(openai: FakeOpenAI) -> None:
    config = load_config(openai_base_url=openai.url.removesuffix("/v1"), openai_api_key=openai.key)
    models = await find_models(config)
    assert await Turn(models).ask("hello") == "echo: hello (1 messages)"
    await models.close()


async def test_a_server_that_is_down_at_the_start_is_used_when_it_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.models.compatible._LIST_AGAIN", 0.0)
    async with FakeOpenAI() as first:
        port = int(first.url.split(":")[2].split("/")[0])
    models = await find_models(load_config(openai_base_url=first.url, openai_api_key=first.key))
    assert models.describe()["chat"].endswith("gpt-6-luna")
    async with FakeOpenAI(port=port, models=("llama-4",)):
        assert await Turn(models).ask("hello") == "echo: hello (1 messages)"
        assert models.describe()["chat"].endswith("llama-4")
    await models.close()


def test_models_are_cheap_to_import() -> None:
    heavy = "openai PIL av aiohttp zxingcpp httpx2 discord"
    code = f"import sys, bot.models, bot.media; print([name for name in '{heavy}'.split() if name in sys.modules])"
    root = str(__import__("pathlib").Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.strip() == "[]"
