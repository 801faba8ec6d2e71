"""Signing in without a secret: by a certificate, or by the machine in Azure that the bot runs on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from bot.adapter import AdapterOff
from bot.adapters.teams import Teams
from bot.config import load_config
from bot.messages import Reply
from storage import Store
from tests.fakes.teams import FakeTeams
from tests.fakes.teams.identity import rsa_key
from tests.teams_bot import TeamsBot


def pem(number: int, path: Path) -> x509.Certificate:
    """Write a certificate and its key, and return the certificate."""
    key, name = rsa_key(number), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "parley")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(secret + made.public_bytes(Encoding.PEM))
    return made


async def answers_with(teams: FakeTeams, bot: TeamsBot) -> list[str]:
    ada = teams.person("Ada")
    chat = teams.personal(ada)
    await teams.say(chat, ada, "hello")
    await bot.adapter.post(bot.notes.last.channel, Reply("Hello."), answers=bot.notes.last.id, nonce="1")
    return [each.text for each in teams.answers(chat)]


async def test_a_certificate_takes_the_place_of_the_secret(teams: FakeTeams, store: Store, tmp_path: Path) -> None:
    teams.identity.certificate = pem(1, tmp_path / "teams.pem")
    settings = {"teams_app_password": None, "teams_certificate": tmp_path / "teams.pem"}
    async with TeamsBot(teams, store, **settings) as bot:
        assert await answers_with(teams, bot) == ["Hello."]

    sent = teams.called("POST", "oauth2")[0].body
    assert b"client_secret" not in sent
    assert b"PRIVATE" not in sent


async def test_another_certificate_is_refused_and_the_remedy_is_told(
    teams: FakeTeams, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    teams.identity.certificate = pem(1, tmp_path / "theirs.pem")
    pem(2, tmp_path / "ours.pem")
    settings = {"teams_app_password": None, "teams_certificate": tmp_path / "ours.pem"}
    async with TeamsBot(teams, store, **settings) as bot:
        await teams.until(lambda: "credentials" in bot.adapter.trouble)

    assert "PARLEY_TEAMS_CERTIFICATE" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [b"", b"words", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", None]
)
async def test_what_is_no_certificate_is_told_before_anything_starts(
    content: bytes | None, teams: FakeTeams, store: Store, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "teams.pem").write_bytes(content)
    settings = teams.settings() | {"teams_app_password": None, "teams_certificate": tmp_path / "teams.pem"}

    with pytest.raises(AdapterOff, match="PARLEY_TEAMS_CERTIFICATE cannot be used"):
        Teams(load_config(**settings), store)


@pytest.mark.parametrize("header", [True, False], ids=["app service", "machine"])
async def test_a_managed_identity_needs_no_secret_at_all(header: bool, teams: FakeTeams, store: Store) -> None:
    settings = {
        "teams_app_password": None,
        "teams_managed_identity": True,
        "identity_endpoint": f"{teams.origin}/metadata/identity/oauth2/token",
        "identity_header": teams.password if header else None,
    }
    async with TeamsBot(teams, store, **settings) as bot:
        assert await answers_with(teams, bot) == ["Hello."]

    assert teams.called("POST", "oauth2") == []


async def test_a_new_secret_or_certificate_is_taken_over_while_it_runs(
    teams: FakeTeams, store: Store, tmp_path: Path
) -> None:
    async with TeamsBot(teams, store) as bot:
        assert await answers_with(teams, bot) == ["Hello."]
        teams.identity.password = "another-secret-of-ours"
        teams.identity.revoke()
        settings = bot.config.model_copy(update={"teams_app_password": SecretStr(teams.identity.password)})
        assert "teams_app_password" in bot.adapter.reload(settings)
        assert await answers_with(teams, bot) == ["Hello."]

        broken = settings.model_copy(update={"teams_certificate": tmp_path / "nothing.pem"})
        assert bot.adapter.reload(broken) == (), "the credentials of before stay"
        teams.identity.revoke()
        assert await answers_with(teams, bot) == ["Hello."]

        teams.identity.certificate = pem(1, tmp_path / "teams.pem")
        bot.adapter.reload(
            settings.model_copy(update={"teams_app_password": None, "teams_certificate": tmp_path / "teams.pem"})
        )
        assert await answers_with(teams, bot) == ["Hello."]
        assert b"client_assertion" in teams.called("POST", "oauth2")[-1].body
