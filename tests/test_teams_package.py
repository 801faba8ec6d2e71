"""The app package that is uploaded to Teams, and what the doctor finds out about Teams."""

import io
import json
import os
import time
import zipfile
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from PIL import Image

from bot.adapter import AdapterOff
from bot.adapters.teams import Teams
from bot.commands import Command, commands_of
from bot.config import load_config
from bot.discovery import find_skills
from bot.forms import Form
from storage import Store
from tests.commands import run
from tests.fakes.teams import FakeTeams
from tests.teams_bot import TeamsBot
from tests.test_teams_credentials import pem

APP = "12345678-1234-1234-1234-123456789abc"
SETTINGS = {"teams_app_id": APP, "teams_developer": "Foxes", "teams_website": "https://foxes.example"}

TEXT = {"type": "string", "minLength": 1}
ADDRESS = {"type": "string", "pattern": "^https://", "maxLength": 2048}
COMMAND = {
    "type": "object",
    "required": ["title", "description"],
    "properties": {"title": TEXT | {"maxLength": 32}, "description": TEXT | {"maxLength": 128}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": [
        *("$schema", "manifestVersion", "version", "id", "developer", "name", "description", "icons", "accentColor"),
        *("bots", "composeExtensions", "permissions", "validDomains", "webApplicationInfo", "authorization"),
        "localizationInfo",
    ],
    "additionalProperties": {"type": ["object", "string", "array"]},
    "properties": {
        "manifestVersion": {"const": "1.25"},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "id": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
        "developer": {
            "type": "object",
            "properties": {
                "name": TEXT | {"maxLength": 32},
                "websiteUrl": ADDRESS,
                "privacyUrl": ADDRESS,
                "termsOfUseUrl": ADDRESS,
            },
            "required": ["name", "websiteUrl", "privacyUrl", "termsOfUseUrl"],
        },
        "name": {"properties": {"short": TEXT | {"maxLength": 30}, "full": TEXT | {"maxLength": 100}}},
        "description": {"properties": {"short": TEXT | {"maxLength": 80}, "full": TEXT | {"maxLength": 4000}}},
        "accentColor": {"type": "string", "pattern": "^#[0-9a-fA-F]{6}$"},
        "bots": {
            "maxItems": 1,
            "items": {
                "properties": {
                    "scopes": {"items": {"enum": ["personal", "team", "groupChat"]}},
                    "supportsFiles": {"const": True},
                    "commandLists": {
                        "maxItems": 3,
                        "items": {"properties": {"commands": {"minItems": 1, "maxItems": 10, "items": COMMAND}}},
                    },
                }
            },
        },
        "composeExtensions": {
            "maxItems": 1,
            "items": {
                "properties": {
                    "commands": {
                        "minItems": 1,
                        "maxItems": 10,
                        "items": COMMAND
                        | {
                            "required": ["id", "title", "description", "type", "context", "fetchTask"],
                            "properties": COMMAND["properties"]
                            | {
                                "id": TEXT | {"maxLength": 64},
                                "type": {"const": "action"},
                                "context": {"items": {"enum": ["compose", "commandBox", "message"]}},
                            },
                        },
                    }
                }
            },
        },
        "permissions": {"items": {"enum": ["identity", "messageTeamMembers"]}},
    },
}


def commands() -> tuple[Command, ...]:
    return commands_of(found.skill for found in find_skills() if found.skill)


def opened(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


SCHEMAS = (
    Path(os.environ.get("PLAYGROUND", "/nowhere")) / "node_modules/@microsoft/app-manifest/build/json-schemas/teams"
)


@pytest.mark.skipif(not SCHEMAS.exists(), reason="PLAYGROUND names no folder with the package @microsoft/app-manifest")
def test_the_package_keeps_the_rules_of_the_published_schema() -> None:
    files = opened(Teams.package(load_config(**SETTINGS), commands()))

    manifest = json.loads(files["manifest.json"])
    rules = SCHEMAS / f"v{manifest['manifestVersion']}"
    for name in [name for name in files if name.endswith(".json")]:
        kind = "MicrosoftTeams" if name == "manifest.json" else "MicrosoftTeams.Localization"
        schema = json.loads((rules / f"{kind}.schema.json").read_text())
        # They say draft 4, but name a property "id", which that draft takes for their own.
        Draft7Validator(schema | {"$schema": Draft7Validator.META_SCHEMA["$schema"]}).validate(json.loads(files[name]))


def test_the_package_is_one_that_teams_takes() -> None:
    files = opened(Teams.package(load_config(**SETTINGS), commands()))

    manifest = json.loads(files["manifest.json"])
    Draft202012Validator(SCHEMA).validate(manifest)
    assert manifest["bots"][0]["botId"] == manifest["webApplicationInfo"]["id"] == APP
    assert manifest["bots"][0]["scopes"] == ["personal", "team", "groupChat"]
    menu = {each["title"]: each["context"] for each in manifest["composeExtensions"][0]["commands"]}
    assert menu["Describe picture"] == menu["Ask about this"] == ["message"]
    assert menu["Draw"] == ["compose", "commandBox"]
    rights = [each["name"] for each in manifest["authorization"]["permissions"]["resourceSpecific"]]
    assert "TeamMember.Read.Group" in rights
    assert manifest["supportsChannelFeatures"] == "tier1"  # private and shared channels
    for name, side in (("color.png", 192), ("outline.png", 32)):
        with Image.open(io.BytesIO(files[name])) as icon:
            assert icon.size == (side, side)
            if side == 32:  # white, or nothing
                seen = {pixel for _, pixel in icon.convert("RGBA").getcolors(10_000) or ()}
                assert all(pixel[:3] == (255, 255, 255) or not pixel[3] for pixel in seen)


def test_every_language_says_the_same_things() -> None:
    files = opened(Teams.package(load_config(**SETTINGS), commands()))
    manifest = json.loads(files["manifest.json"])
    languages = manifest["localizationInfo"]["additionalLanguages"]

    words = {each["languageTag"]: json.loads(files[each["file"]]) for each in languages}

    assert set(words) == {"de", "es", "fr", "ja"}
    assert len({frozenset(each) for each in words.values()}) == 1
    assert "Bild beschreiben" in words["de"].values()
    titles = [each["title"] for each in manifest["bots"][0]["commandLists"][0]["commands"]]
    assert titles == [words["de"][f"bots[0].commandLists[0].commands[{n}].title"] for n in range(len(titles))], (
        "a command is what Teams writes for the person, and the bot has to understand it"
    )


def test_the_same_configuration_makes_the_same_package_and_less_can_be_asked_for() -> None:
    config = load_config(**SETTINGS)

    assert Teams.package(config, commands()) == Teams.package(config, commands())
    fewer = json.loads(opened(Teams.package(config, commands(), messages=False))["manifest.json"])
    rights = [each["name"] for each in fewer["authorization"]["permissions"]["resourceSpecific"]]
    assert rights == ["TeamMember.Read.Group", "ChatMember.Read.Chat"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"teams_app_id": "", "teams_developer": ""}, "TEAMS_APP_ID.*PARLEY_TEAMS_DEVELOPER"),
        ({"teams_app_id": "my-bot"}, "GUID"),
        ({"teams_website": "http://foxes.example"}, "https://"),
        ({"teams_name": "Foxes for Teams"}, "must not contain"),
    ],
)
def test_what_teams_would_not_take_is_told_before(changes: dict[str, str], said: str) -> None:
    with pytest.raises(AdapterOff, match=said):
        Teams.package(load_config(**(SETTINGS | changes)), commands())


def test_a_skill_with_much_to_say_is_cut_short() -> None:
    many = tuple(Command(f"skill-{n}", "x" * 500, Form(()), Form(()), menu="y" * 60) for n in range(30))

    manifest = json.loads(opened(Teams.package(load_config(**SETTINGS), many))["manifest.json"])

    Draft202012Validator(SCHEMA).validate(manifest)


async def test_the_command_writes_it_and_says_what_to_do_with_it(tmp_path: Path) -> None:
    names = {"TEAMS_APP_ID": APP, "PARLEY_TEAMS_DEVELOPER": "Foxes", "PARLEY_TEAMS_WEBSITE": "https://foxes.example"}

    made = await run(tmp_path, "teams", "package", "--out", str(tmp_path / "app.zip"), **names)
    missing = await run(tmp_path, "teams", "package", "--out", str(tmp_path / "none.zip"))

    assert (made.code, missing.code) == (0, 78)
    assert "manifest.json" in opened((tmp_path / "app.zip").read_bytes())
    assert "upload" in made.out
    assert "PARLEY_TEAMS_WEBSITE" in missing.err
    assert not (tmp_path / "none.zip").exists()


# The doctor.


@pytest.fixture
async def teams() -> AsyncIterator[FakeTeams]:
    async with FakeTeams() as teams:
        yield teams


async def found(teams: FakeTeams, store: Store, **changes: Any) -> dict[str, tuple[bool, str]]:
    seen = await Teams(load_config(**(teams.settings() | changes)), store).examine()
    return {each.what: (each.well, each.text) for each in seen}


async def test_the_doctor_finds_nothing_wrong_with_what_is_right(teams: FakeTeams, store: Store) -> None:
    async with TeamsBot(teams, store):
        findings = await found(teams, store, teams_endpoint=teams.bot_url)

    assert all(well for well, _ in findings.values())
    assert set(findings) == {"teams settings", "teams sign-in", "clock", "teams keys", "teams endpoint"}
    assert "single tenant, with a secret" in findings["teams settings"][1]


@pytest.mark.parametrize("tenant", ["common", "organizations", "not a tenant", "botframework.com"])
async def test_the_doctor_knows_what_is_no_tenant(tenant: str, teams: FakeTeams, store: Store) -> None:
    findings = await found(teams, store, teams_tenant_id=tenant)

    assert findings == {"teams settings": (False, findings["teams settings"][1])}
    assert "Directory (tenant) ID" in findings["teams settings"][1]


async def test_the_doctor_says_what_is_wrong_with_the_secret_or_the_certificate(
    teams: FakeTeams, store: Store, tmp_path: Path
) -> None:
    pem(3, tmp_path / "teams.pem")

    secret = await found(teams, store, teams_app_password="an-id")
    certificate = await found(teams, store, teams_app_password=None, teams_certificate=tmp_path / "teams.pem")

    assert not secret["teams sign-in"][0]
    assert not certificate["teams sign-in"][0]
    assert "the secret's value, not its id" in secret["teams sign-in"][1]
    assert "was not uploaded" in certificate["teams sign-in"][1]
    assert "good for 2" in certificate["teams certificate"][1]
    assert "an-id" not in str(secret)


async def test_the_doctor_looks_at_the_clock_the_keys_and_the_address(teams: FakeTeams, store: Store) -> None:
    teams.fail(401, path="oauth2", headers={"Date": formatdate(time.time() + 1000)}, body={"error": "x"})
    teams.fail(500, path="openidconfiguration", body={})

    findings = await found(teams, store, teams_endpoint=f"{teams.origin}/somewhere")

    assert not findings["clock"][0]
    assert "17 minutes slow" in findings["clock"][1]
    assert not findings["teams keys"][0]
    assert "status 404" in findings["teams endpoint"][1]
    plain = await found(teams, store, teams_endpoint="http://bot.example/api/messages")
    assert not plain["teams endpoint"][0]
