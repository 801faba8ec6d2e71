"""Azure with its two interfaces and two ways to sign in, Hugging Face, and several servers at once."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

from bot import log
from bot.config import ConfigError, load_config
from bot.media import sound_facts
from bot.messages import Attachment
from bot.models import BadReply, Busy, ModelError, NoCredit, NotConfigured, Segment, Unavailable
from bot.models.find import find_models
from tests.fakes.huggingface import FakeHuggingFace
from tests.fakes.openai import FakeOpenAI
from tests.fakes.openai.answers import flat_png
from tests.model_rig import Turn
from tests.sounds import tone, wav

# The library sends bytes in a way that its own HTTP client would rather have otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NOTE = Attachment("v.wav", "audio/wav", wav(tone(0.5)))
PICTURE = Attachment("fox.png", "image/png", flat_png(64, 48))


@pytest.fixture(autouse=True)
def _no_time_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.models.wire._PAUSES", (0.01, 0.01))
    monkeypatch.setattr("bot.models.huggingface._PAUSE", 0.01)
    monkeypatch.setattr("bot.models.attempts._UNSAID_WAIT", 0.01)
    monkeypatch.setattr("huggingface_hub.utils._detect_agent._registry", {})  # it would be asked for in the world


@pytest.fixture
async def azure() -> AsyncIterator["Azure"]:
    async with FakeOpenAI(key="", models=("talker", "gpt-image-ours", "listener"), record=False) as behind:
        azure = Azure(behind)
        async with TestServer(azure.app) as server:
            azure.url = str(server.make_url("")).rstrip("/")
            yield azure


class Azure:
    """Azure's gate before a model server: two addresses for everything, a key or a token, and a place to get tokens."""

    def __init__(self, behind: FakeOpenAI) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, str]] = []  # (path, version, how the caller signed in)
        self.forms: list[dict[str, str]] = []
        self.token: tuple[int, dict[str, Any]] = (200, {"access_token": "entra", "expires_in": 3600})
        self._behind = behind
        self.app = web.Application(client_max_size=32 * 1024 * 1024)
        self.app.router.add_post("/openai/v1/{path:.+}", self._pass_on)
        self.app.router.add_post("/openai/deployments/{model}/{path:.+}", self._pass_on)
        self.app.router.add_post("/{tenant}/oauth2/v2.0/token", self._sign_in)

    async def _sign_in(self, request: web.Request) -> web.Response:
        self.forms.append({key: str(value) for key, value in (await request.post()).items()})
        status, told = self.token
        return web.json_response(told, status=status)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        key, bearer = request.headers.get("api-key", ""), request.headers.get("Authorization", "")
        self.asked.append((request.path, request.query.get("api-version", ""), key or bearer))
        if key != "azure-key" and bearer not in ("Bearer azure-key", "Bearer entra"):
            return web.json_response({"error": {"code": "401", "message": "Access denied"}}, status=401)
        import aiohttp

        headers = {"Content-Type": request.headers["Content-Type"]}
        url = f"{self._behind.url}/{request.match_info['path']}"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=await request.read(), headers=headers) as answer,
        ):
            body = await answer.read()
            return web.Response(
                body=body, status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]}
            )


async def turn_of(**given: Any) -> Turn:
    return Turn(await find_models(load_config(**given)))


DEPLOYED = {
    "chat_model": "azure:talker",
    "image_model": "azure:gpt-image-ours",
    "speech_model": "azure:listener",
    "azure_openai_api_key": "azure-key",
}


async def test_azure_is_asked_at_its_v1_interface_by_the_names_of_deployments(azure: Azure) -> None:
    turn = await turn_of(azure_openai_endpoint=azure.url, **DEPLOYED)
    assert await turn.ask("hello") == "echo: hello (1 messages)"
    assert len(await turn.models.image("a fox")) == 1
    assert azure.asked == [
        ("/openai/v1/chat/completions", "", "Bearer azure-key"),
        ("/openai/v1/images/generations", "", "Bearer azure-key"),
    ]
    await turn.all.close()


async def test_azures_classic_interface_is_used_where_its_version_is_named(azure: Azure) -> None:
    turn = await turn_of(azure_openai_endpoint=azure.url, azure_openai_api_version="2024-10-21", **DEPLOYED)
    assert await turn.ask("hello") == "echo: hello (1 messages)"
    await turn.models.image("a fox", edits=[PICTURE])
    await turn.models.transcribe(NOTE)
    assert azure.asked == [
        ("/openai/deployments/talker/chat/completions", "2024-10-21", "azure-key"),
        ("/openai/deployments/gpt-image-ours/images/edits", "2024-10-21", "azure-key"),
        ("/openai/deployments/listener/audio/transcriptions", "2024-10-21", "azure-key"),
    ]
    await turn.all.close()


@pytest.mark.parametrize("version", ["", "2024-10-21"])
async def test_azure_lets_an_app_in_that_signs_in_with_its_secret(azure: Azure, version: str) -> None:
    entra = {
        "azure_openai_endpoint": azure.url,
        "azure_openai_api_version": version,
        "azure_authority_host": azure.url,
        "azure_tenant_id": "our-tenant",
        "azure_client_id": "our-app",
        "azure_client_secret": "s3cret",
    }
    turn = await turn_of(chat_model="azure:talker", **entra)
    for _ in range(2):
        assert await turn.ask("hello") == "echo: hello (1 messages)"
    assert [signed for _, _, signed in azure.asked] == ["Bearer entra"] * 2
    (form,) = azure.forms  # a token is used until shortly before its end
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "our-app",
        "scope": "https://cognitiveservices.azure.com/.default",
        "client_secret": "s3cret",
    }
    await turn.all.close()


async def test_azure_lets_a_workload_in_with_the_token_of_its_file(azure: Azure, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("signed\n")
    turn = await turn_of(
        chat_model="azure:talker",
        azure_openai_endpoint=azure.url,
        azure_authority_host=azure.url,
        azure_tenant_id="our-tenant",
        azure_client_id="our-app",
        azure_federated_token_file=str(tmp_path / "token"),
    )
    assert await turn.ask("hello") == "echo: hello (1 messages)"
    assert azure.forms[0]["client_assertion"] == "signed"
    await turn.all.close()


@pytest.mark.parametrize(
    ("status", "told", "error"),
    [(401, {"error": "invalid_client"}, NotConfigured), (503, {}, Unavailable), (200, {"token": "x"}, Unavailable)],
)
async def test_a_sign_in_that_fails_says_what_to_check(
    azure: Azure, status: int, told: dict[str, Any], error: type[ModelError]
) -> None:
    azure.token = (status, told)
    turn = await turn_of(
        chat_model="azure:talker",
        azure_openai_endpoint=azure.url,
        azure_authority_host=azure.url,
        azure_tenant_id="our-tenant",
        azure_client_id="our-app",
        azure_client_secret="s3cret",
    )
    _, caught = await turn.fail()
    assert isinstance(caught, error)
    assert azure.asked == []
    if error is NotConfigured:
        assert "AZURE_CLIENT_SECRET" in str(caught)
    await turn.all.close()


async def test_a_machine_signs_in_as_itself(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    async def identity(request: web.Request) -> web.Response:
        asked.append((request.headers["X-IDENTITY-HEADER"], request.query["resource"]))
        return web.json_response({"access_token": "entra", "expires_in": "86400"})

    app = web.Application()
    app.router.add_get("/msi/token", identity)
    async with TestServer(app) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", str(server.make_url("/msi/token")))
        monkeypatch.setenv("IDENTITY_HEADER", "proof")
        turn = await turn_of(chat_model="azure:talker", azure_openai_endpoint=azure.url)
        assert await turn.ask("hello") == "echo: hello (1 messages)"
        await turn.all.close()
    assert asked == [("proof", "https://cognitiveservices.azure.com")]


@pytest.fixture
async def hub() -> AsyncIterator[FakeHuggingFace]:
    async with FakeHuggingFace() as hub:
        yield hub


async def hub_turn(hub: FakeHuggingFace, **given: Any) -> Turn:
    return await turn_of(**({"hf_token": hub.token, "hf_url": hub.url} | given))


async def test_one_token_of_hugging_face_serves_five_roles(hub: FakeHuggingFace) -> None:
    turn = await hub_turn(hub, voice_model="huggingface:our/tts")
    hub.hears = {"text": " hello", "chunks": [{"text": " hello", "timestamp": [0.0, 0.5]}]}
    assert await turn.ask("hi") == "from the router"
    pictures = await turn.models.image("a fox", size="96x64", count=2)
    assert [Image.open(io.BytesIO(each.data)).size for each in pictures] == [(96, 64)] * 2
    heard = await turn.models.transcribe(NOTE)
    assert (heard.text, heard.segments) == ("hello", (Segment(0.0, 0.5, "hello"),))
    assert await turn.models.embed(["fox", "snow"]) == [[3.0, 1.0], [4.0, 1.0]]
    sound = await turn.models.speak("Hello.")
    assert (await sound_facts(sound.data)).seconds == pytest.approx(0.5, abs=0.05)
    assert [task.path.rpartition("/models/")[2] for task in hub.tasks] == [
        "/v1/chat/completions",
        "black-forest-labs/FLUX.1-schnell",
        "black-forest-labs/FLUX.1-schnell",
        "openai/whisper-large-v3-turbo",
        "intfloat/multilingual-e5-large/pipeline/feature-extraction",
        "our/tts",
    ]
    assert (hub.tasks[3].headers["Content-Type"], hub.tasks[3].body) == ("audio/wav", NOTE.data)
    assert [used.role for used in turn.used] == ["chat", "image", "speech", "embed", "voice"]
    assert turn.used[1].cost is None  # what an hour of their machines costs, nobody tells
    await turn.all.close()


async def test_an_endpoint_of_ones_own_and_a_picture_to_change(hub: FakeHuggingFace) -> None:
    turn = await hub_turn(hub, image_model=f"huggingface:{hub.url}/own")
    (picture,) = await turn.models.image("make it night", edits=[PICTURE])
    assert picture.media_type == "image/png"
    assert hub.tasks[0].path == "/own"
    assert hub.tasks[0].json["parameters"]["prompt"] == "make it night"
    await turn.all.close()


@pytest.mark.parametrize(
    ("failing", "error", "says"),
    [
        ([(402, {"error": "You have exceeded your monthly included credits"})], NoCredit, "credit"),
        ([(404, {"error": "Not Found"})], NotConfigured, "has no model"),
        ([(503, {"error": "Model is currently loading"})] * 2, Busy, "busy"),
        ([(500, {"error": "oops"})] * 2, Unavailable, "Hugging Face cannot be reached"),
        ([(200, {"error": "odd"})], BadReply, "could not read"),
    ],
)
async def test_what_hugging_face_refuses_has_the_same_words_as_elsewhere(
    hub: FakeHuggingFace,
    failing: list[tuple[int, Any]],
    error: type[ModelError],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.models.attempts._LONGEST_WAIT", 0.0)
    for call in ("image", "embed"):
        hub.failing = list(failing)
        turn = await hub_turn(hub)
        with pytest.raises(error, match=says):
            await (turn.models.image("a fox") if call == "image" else turn.models.embed(["fox"]))
        await turn.all.close()


async def test_a_token_that_hugging_face_does_not_know_is_named(hub: FakeHuggingFace) -> None:
    turn = await hub_turn(hub, hf_token="hf_wrong0123456789")
    with pytest.raises(NotConfigured, match="check HF_TOKEN"):
        await turn.models.transcribe(NOTE)
    assert hub.tasks[0].headers["Authorization"] == "Bearer hf_wrong0123456789"
    await turn.all.close()


async def test_a_picture_beyond_measure_is_not_opened(hub: FakeHuggingFace) -> None:
    hub.draws = flat_png(9000, 4000)
    turn = await hub_turn(hub)
    with pytest.raises(BadReply):
        await turn.models.image("a fox")
    await turn.all.close()


async def test_several_servers_share_the_work() -> None:
    async with (
        FakeOpenAI(key="", models=("llama3",)) as talks,
        FakeOpenAI(key="k:/y", models=("whisper-1", "gpt-6-luna"), record=False) as listens,
    ):
        address = listens.url.replace("http://", "http://k%3A%2Fy@")
        turn = await turn_of(
            servers=f"ollama={talks.url}, mine={address}",
            chat_model="mine:missing, ollama:llama3",
            allowed_models="mine:gpt-6-luna, image=mine:painter",
        )
        said = turn.all.describe()
        assert said["chat"].endswith("llama3")
        assert said["speech"].startswith("mine (127.0.0.1")  # the first server that has one
        assert await turn.ask("hello") == "echo: hello (1 messages)"
        assert (await turn.models.transcribe(NOTE)).text == "hello from a voice note"
        assert turn.all.allowed("chat") == ("mine:missing", "ollama:llama3", "mine:gpt-6-luna")
        assert "mine:painter" in turn.all.allowed("image")
        await turn.all.close()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"servers": "http://gpu:8000/v1"}, "has to list name=address"),
        ({"servers": "vllm=http://gpu:8000/v1, x=ftp://y"}, "entry 2 is none"),
        ({"allowed_models": "gpt-6-luna"}, "has to list SERVER:MODEL"),
        ({"allowed_models": "hat=openai:gpt-6-luna"}, "has to list SERVER:MODEL"),
    ],
)
def test_servers_and_models_that_cannot_be_meant_are_reported(given: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(**given)


def test_keys_in_addresses_are_kept_out_of_logs() -> None:
    config = load_config(servers="vllm=https://sk-very-secret@gpu/v1")
    assert "sk-very-secret" in log.secrets_of(config)
