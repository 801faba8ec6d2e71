"""Whoever sets something wrong is told all of it at once: where, what, and what was probably meant."""

import os
from pathlib import Path

import pytest

from bot.config import Config, ConfigError, load_config


def mistakes() -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_config()
    return str(refused.value).splitlines()


def write(text: str | bytes) -> None:
    Path(".env").write_bytes(text.encode() if isinstance(text, str) else text)


def test_without_any_setting_everything_has_a_sensible_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARLEY_PROBE")
    config = load_config()
    assert (config.host, config.port, config.probe) == ("127.0.0.1", 3978, True)
    assert config.discord_token is None
    assert config.database == f"sqlite:///{config.folder / 'parley.db'}"


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("PORT=1111\nPARLEY_HOST=10.0.0.1\n")
    monkeypatch.setenv("PORT", "2222")
    config = load_config()
    assert (config.port, config.host) == (2222, "10.0.0.1")


def test_a_file_saved_by_any_editor_is_read() -> None:
    write(b"\xef\xbb\xbfPORT = 1234\r\n\texport PARLEY_HOST='10.0.0.1' # behind a proxy\r\nDISCORD_TOKEN=\r\n")
    config = load_config()
    assert (config.port, config.host, config.discord_token) == (1234, "10.0.0.1", None)


def test_models_are_written_with_commas() -> None:
    write("PARLEY_CHAT_MODEL=first, openai:second ,\n")
    assert load_config().chat_model == ("first", "openai:second")


def test_a_secret_pasted_with_blanks_around_it_is_meant_without_them() -> None:
    write("DISCORD_TOKEN=' abc.def.ghi '\nOPENAI_API_KEY='  '\n")
    config = load_config()
    assert config.discord_token
    assert config.discord_token.get_secret_value() == "abc.def.ghi"
    assert config.openai_api_key is None


def test_every_mistake_is_told_at_once_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARLEY_PROBE")
    write(
        "\n".join(
            [
                "# my settings",
                "PORT=99999",
                "",
                "PARLEY_LOG_LEVEL=loud",
                "PARLEY_PROBE=perhaps",
                "OPENAI_BASE_URL=localhost:11434",
                "PARLEY_WEB_TOKEN=short",
                "this is not a setting",
                "DISCORD_TOKEN",
                'PARLEY_HOST="never closed',
            ]
        )
    )
    told = mistakes()
    assert [line.partition(": ")[0] for line in told] == [f".env:{line}" for line in (2, 4, 5, 6, 7, 8, 9, 10)]
    assert "PORT has to be a whole number from 0 to 65535" in told[0]
    assert "debug, info, warning or error" in told[1]
    assert "1 (yes) or 0 (no)" in told[2]
    assert "beginning with http:// or https://" in told[3]
    assert "at least 8 characters" in told[4]
    assert "NAME=value" in told[5]
    assert "DISCORD_TOKEN=value" in told[6]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("PARLEY_CHATMODEL", "PARLEY_CHAT_MODEL"),
        ("PARLEY_PORT", "PORT"),
        ("PARLEY_DISCORD_TOKEN", "DISCORD_TOKEN"),
        ("DISCORD_TOKN", "DISCORD_TOKEN"),
        ("DISCORD_BOT_TOKEN", "DISCORD_TOKEN"),
        ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
        ("CHAT_MODEL", "PARLEY_CHAT_MODEL"),
        ("openai_api_kye", "OPENAI_API_KEY"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_right_one(wrong: str, meant: str) -> None:
    write(f"{wrong}=something\n")
    assert mistakes() == [f".env:1: {wrong.upper()} is not a setting. Did you mean {meant}?"]


def test_what_other_programs_keep_in_the_same_file_is_no_mistake() -> None:
    write("COMPOSE_PROJECT_NAME=x\nSECRET_KEY=y\nHTTP_PROXY=z\nDATABASE=w\n")
    assert load_config().port == 3978


def test_a_misspelt_name_in_the_environment_is_a_mistake_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_HOTS", "0.0.0.0")
    monkeypatch.setenv("PORT", "many")
    told = mistakes()
    assert told[0] == "PARLEY_HOTS (in the environment) is not a setting. Did you mean PARLEY_HOST?"
    assert told[1].startswith("PORT has to be a whole number")


def test_a_setting_in_two_lines_and_one_that_refers_to_nothing_are_mistakes() -> None:
    write("PORT=1\nPARLEY_HOST=${NOWHERE}\nPORT=2\nHOST_NAME=a\nPARLEY_DATA=/tmp/${HOST_NAME}\n")
    assert mistakes() == [
        ".env:2: PARLEY_HOST refers to ${NOWHERE}, which is not set.",
        ".env:3: PORT is set in line 1 already. Remove one of the two.",
    ]


def test_no_mistake_ever_shows_a_value() -> None:
    secret = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE.abcdefghijklmnopqrstuvwxyz0123"
    write(
        f"{secret}\n{secret}=\nPORT={secret}\nDISCORD_TOKN={secret}\nOPENAI_BASE_URL={secret}\nPARLEY_WEB_TOKEN=s3cret\n"
    )
    told = "\n".join(mistakes())
    assert secret not in told
    assert secret.upper() not in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PORT=1\nPARLEY_HOST=caf\xe9\n", ".env:2: this is not UTF-8 text"),
        (b"#" * (10 * 1024 * 1024), "10 MB is too large for a settings file"),
    ],
)
def test_a_file_that_is_no_settings_file_is_refused(content: bytes, reason: str) -> None:
    write(content)
    assert reason in mistakes()[0]


def test_a_folder_where_the_file_should_be_is_told_of() -> None:
    Path(".env").mkdir()
    assert ".env cannot be read" in mistakes()[0]


def test_a_file_where_the_data_folder_should_be_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setenv("PARLEY_DATA", str(tmp_path / "taken"))
    assert mistakes()[0].startswith("PARLEY_DATA has to name a folder")


@pytest.mark.skipif(os.name != "posix", reason="accounts without a home are a thing of Unix")
def test_an_account_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_DATA", "~nobody-of-this-name/parley")
    assert mistakes()[0].startswith("PARLEY_DATA has to name a folder")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("example.org", False)],
)
def test_it_knows_whether_only_this_machine_can_reach_it(host: str, loopback: bool) -> None:
    assert load_config(host=host).on_loopback is loopback


def test_every_setting_is_described_and_has_a_name_of_its_own() -> None:
    names = [str(field.validation_alias) for field in Config.model_fields.values()]
    assert len(names) == len(set(names))
    assert all(name == name.upper() for name in names)
    assert all(field.description for field in Config.model_fields.values())
