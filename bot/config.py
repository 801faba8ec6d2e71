"""The environment (and `.env`) → `Config`. Every mistake is reported at once, each with its fix."""

import ipaddress
import os
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsConfigDict

from bot.envfile import EnvFile, bounds, read_env_file, suggestion
from bot.limits import Limited
from bot.modelsettings import Listed, ModelSettings

__all__ = ["Config", "ConfigError", "load_config"]


class ConfigError(Exception):
    """The configuration cannot be used. The text lists every mistake, one a line, without any secret."""


class Config(ModelSettings, Limited):
    """What an operator can set. Each field's description is what `docs/configuration.md` shows."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8-sig",  # an editor's byte order mark must not hide the first name
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    # Platforms
    discord_token: SecretStr | None = Field(
        None, validation_alias="DISCORD_TOKEN", description="The bot's token from the Discord developer portal"
    )
    teams_app_id: str = Field("", validation_alias="TEAMS_APP_ID", description="The Teams bot's app id")
    teams_app_password: SecretStr | None = Field(
        None, validation_alias="TEAMS_APP_PASSWORD", description="The Teams app's client secret"
    )
    teams_tenant_id: str = Field(
        "", validation_alias="TEAMS_TENANT_ID", description="The Microsoft Entra tenant the app belongs to"
    )

    # Where it runs
    database_url: str = Field(
        "", validation_alias="DATABASE_URL", description="Database; by default an SQLite file in the data folder"
    )
    folder: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("parley", appauthor=False),
        validate_default=True,
        validation_alias="PARLEY_DATA",
        description="Folder for everything Parley keeps; by default the platform's user-data folder",
    )
    host: str = Field("127.0.0.1", validation_alias="PARLEY_HOST", description="Address the web server binds")
    port: int = Field(3978, ge=0, le=65535, validation_alias="PORT", description="Port of the web server")
    web_token: SecretStr | None = Field(
        None,
        min_length=8,
        validation_alias="PARLEY_WEB_TOKEN",
        description="Token for the web page; by default one is made and kept in the data folder",
    )
    log_level: str = Field(
        "info",
        pattern="^(?i:debug|info|warning|error)$",
        validation_alias="PARLEY_LOG_LEVEL",
        description="debug, info, warning or error",
    )

    drain: float = Field(
        20,
        ge=0,
        le=600,
        validation_alias="PARLEY_DRAIN_SECONDS",
        description="How long running answers may still take when Parley is stopped",
    )

    # Teams, further
    teams_certificate: Path | None = Field(
        None,
        validation_alias="PARLEY_TEAMS_CERTIFICATE",
        description="PEM file with the Teams app's certificate and its key, in place of the client secret",
    )
    teams_managed_identity: bool = Field(
        False,
        validation_alias="PARLEY_TEAMS_MANAGED_IDENTITY",
        description="1: the Teams app is a managed identity of where Parley runs in Azure, and has no secret",
    )
    teams_moderators: Listed = Field(
        (),
        validation_alias="PARLEY_TEAMS_MODERATORS",
        description="Entra object ids of people who may change the bot's settings everywhere in Teams",
    )
    teams_sensitivity: str = Field(
        "",
        max_length=300,
        validation_alias="PARLEY_TEAMS_SENSITIVITY",
        description="Sensitivity shown with every answer in Teams, as NAME: what it means",
    )
    teams_endpoint: str = Field(
        "",
        validation_alias="PARLEY_TEAMS_ENDPOINT",
        description="The address Azure sends Teams' messages to, https://…/api/messages, for `parley doctor` to try",
    )
    teams_name: str = Field(
        "Parley",
        min_length=1,
        max_length=30,
        validation_alias="PARLEY_TEAMS_NAME",
        description="What the bot is called in its Teams app package",
    )
    teams_developer: str = Field(
        "",
        max_length=32,
        validation_alias="PARLEY_TEAMS_DEVELOPER",
        description="Who offers the bot, for its Teams app package",
    )
    teams_website: str = Field(
        "",
        validation_alias="PARLEY_TEAMS_WEBSITE",
        description="Your page about the bot, for its Teams app package; beginning with https://",
    )
    teams_privacy_url: str = Field(
        "",
        validation_alias="PARLEY_TEAMS_PRIVACY_URL",
        description="Your privacy statement, for the app package; by default /privacy on the website",
    )
    teams_terms_url: str = Field(
        "",
        validation_alias="PARLEY_TEAMS_TERMS_URL",
        description="Your terms of use, for the app package; by default /terms on the website",
    )

    # Special cases
    teams_anonymous: bool = Field(
        False,
        validation_alias="PARLEY_TEAMS_ANONYMOUS",
        description="1: answer Teams clients without credentials, on this machine only (for the Agents Playground)",
    )
    teams_tenants: Listed = Field(
        (), validation_alias="PARLEY_TEAMS_TENANTS", description="Further tenants that may use the Teams bot"
    )
    teams_service_hosts: Listed = Field(
        (),
        validation_alias="PARLEY_TEAMS_SERVICE_HOSTS",
        description="Further hosts that Teams answers may be sent to (sovereign clouds)",
    )
    teams_openid_url: str = Field(
        "https://login.botframework.com/v1/.well-known/openidconfiguration",
        validation_alias="PARLEY_TEAMS_OPENID_URL",
        description="Where the keys of the Bot Framework are published (sovereign clouds)",
    )
    teams_login_url: str = Field(
        "https://login.microsoftonline.com",
        validation_alias="PARLEY_TEAMS_LOGIN_URL",
        description="Where the Teams bot signs in (sovereign clouds)",
    )
    discord_content: bool = Field(
        False,
        validation_alias="PARLEY_DISCORD_CONTENT",
        description="1: ask Discord for the Message Content intent, to hear replies without a ping and to catch up",
    )
    discord_bots: Listed = Field(
        (),
        validation_alias="PARLEY_DISCORD_BOTS",
        description="Ids of other Discord bots that are answered when they mention this one",
    )
    discord_guild: str = Field(
        "",
        pattern=r"^(\d{15,20})?$",
        validation_alias="PARLEY_DISCORD_GUILD",
        description="Id of the only Discord server that is told the commands, for development",
    )
    discord_moderator_roles: Listed = Field(
        (),
        validation_alias="PARLEY_DISCORD_MODERATOR_ROLES",
        description="Ids of Discord roles whose members are moderators of the bot",
    )
    teams_graph_url: str = Field(
        "",
        validation_alias="PARLEY_TEAMS_GRAPH_URL",
        description="Where Microsoft Graph is; by default the one that belongs to where the Teams bot signs in",
    )
    identity_endpoint: str = Field(
        "",
        validation_alias="IDENTITY_ENDPOINT",
        description="Where a managed identity is asked for; Azure sets it where it is needed",
    )
    identity_header: SecretStr | None = Field(
        None, validation_alias="IDENTITY_HEADER", description="What a managed identity is asked with; Azure sets it"
    )
    discord_api: str = Field(
        "",
        validation_alias="PARLEY_DISCORD_API",
        description="Another Discord-compatible server, e.g. http://127.0.0.1:9999/api/v10",
    )

    @field_validator(
        "chat_model",
        "vision_model",
        "image_model",
        "speech_model",
        "voice_model",
        "embed_model",
        "moderate_model",
        "allowed_models",
        "teams_tenants",
        "teams_service_hosts",
        "discord_moderator_roles",
        "discord_bots",
        "teams_moderators",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "discord_token",
        "teams_app_password",
        "openai_api_key",
        "azure_openai_api_key",
        "azure_client_secret",
        "hf_token",
        "openrouter_api_key",
        "servers",
        mode="before",
    )
    @classmethod
    def _strip(cls, value: object) -> object:
        """A secret pasted with a line end or blanks around it is meant without them; a blank one is none."""
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        return (text.strip() or None) if isinstance(text, str) else value

    @field_validator(
        "openai_base_url",
        "azure_openai_endpoint",
        "azure_authority_host",
        "hf_url",
        "teams_openid_url",
        "teams_login_url",
        "teams_graph_url",
        "teams_endpoint",
        "teams_website",
        "teams_privacy_url",
        "teams_terms_url",
        "discord_api",
        mode="after",
    )
    @classmethod
    def _is_address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("has to be a whole address, beginning with http:// or https://")
        return value

    @field_validator("folder", mode="after")
    @classmethod
    def _is_folder(cls, value: Path) -> Path:
        try:
            folder = value.expanduser()
        except RuntimeError:
            folder = value
        if str(folder).startswith("~") or folder.is_file():
            raise ValueError("has to name a folder: this account has none of its own, or a file is in its place")
        return folder

    @property
    def database(self) -> str:
        """The database as an SQLAlchemy address."""
        return self.database_url or f"sqlite:///{self.folder / 'parley.db'}"

    @property
    def on_loopback(self) -> bool:
        """Whether the web server can be reached from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def load_config(**given: Any) -> Config:
    """Read the environment and `.env`; `given` overrides by field name. Raises `ConfigError` with every mistake."""
    file = read_env_file(Path(".env"), _FIELDS)
    mistakes = [*file.mistakes, *((0, text) for text in _unknown_in_environment())]
    config: Config | None = None
    try:
        config = Config(
            _env_file=file.path if file.readable else None,
            **{_environment_name(name): value for name, value in given.items()},
        )
    except ValidationError as error:
        mistakes += [_sentence(mistake, file) for mistake in error.errors(include_input=False, include_url=False)]
    if config is None or mistakes:
        raise ConfigError("\n".join(text for _, text in sorted(mistakes)))
    return config


def _sentence(mistake: ErrorDetails, file: EnvFile) -> tuple[int, str]:
    """What is wrong and how it should be, with the line it was written in (0: in none), without the value."""
    name = str(mistake["loc"][0]) if mistake["loc"] else ""
    field = _FIELDS.get(name)
    match mistake["type"], mistake.get("ctx", {}):
        case "int_parsing" | "float_parsing" | "int_from_float" | "greater_than_equal" | "less_than_equal", _:
            number = "a number" if field and field.annotation is float else "a whole number"
            text = f"has to be {number}{bounds(field)}"
        case "bool_parsing" | "bool_type", _:
            text = "has to be 1 (yes) or 0 (no)"
        case "too_short" | "string_too_short", {"min_length": least}:
            text = f"has to be at least {least} characters long"
        case "string_pattern_mismatch", _:
            text = "has to be one of the words it knows"
        case _:
            text = mistake["msg"].removeprefix("Value error, ")
    meaning = f" ({field.description})" if field and field.description else ""
    # The environment goes before the file.
    line = 0 if any(name == each.upper() for each in os.environ) else file.lines.get(name, 0)
    where = f"{file.path}:{line}: " if line else ""
    return line, f"{where}{name} {text}{meaning}."


def _unknown_in_environment() -> list[str]:
    names = sorted(each.upper() for each in os.environ if each.upper().startswith("PARLEY_"))
    return [
        f"{name} (in the environment) is not a setting."
        + (f" Did you mean {meant}?" if (meant := suggestion(name, _FIELDS)) else " Unset it.")
        for name in names
        if name not in _FIELDS
    ]


def _environment_name(name: str) -> str:
    return str(Config.model_fields[name].validation_alias)


_FIELDS = {_environment_name(name): field for name, field in Config.model_fields.items()}
