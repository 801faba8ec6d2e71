"""The settings about models, a part of `Config`."""

from typing import Annotated

from annotated_types import Ge, Le
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

__all__ = ["Listed", "ModelSettings"]

Listed = Annotated[tuple[str, ...], NoDecode]  # "a, b" in the environment


class ModelSettings(BaseSettings):
    """Which models there are, and which are used for what."""

    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Key for OpenAI or a compatible server"
    )
    openai_base_url: str = Field(
        "",
        validation_alias="OPENAI_BASE_URL",
        description="Another OpenAI-compatible server, e.g. http://127.0.0.1:11434/v1",
    )
    azure_openai_endpoint: str = Field(
        "", validation_alias="AZURE_OPENAI_ENDPOINT", description="https://NAME.openai.azure.com"
    )
    azure_openai_api_key: SecretStr | None = Field(
        None, validation_alias="AZURE_OPENAI_API_KEY", description="Key of the Azure OpenAI resource"
    )
    azure_openai_api_version: str = Field(
        "",
        validation_alias="AZURE_OPENAI_API_VERSION",
        description="A version of Azure's classic interface, e.g. 2024-10-21; by default its v1 interface is used",
    )
    azure_tenant_id: str = Field(
        "", validation_alias="AZURE_TENANT_ID", description="Tenant to sign in at for Azure OpenAI without a key"
    )
    azure_client_id: str = Field(
        "", validation_alias="AZURE_CLIENT_ID", description="App, or managed identity, to sign in as"
    )
    azure_client_secret: SecretStr | None = Field(
        None, validation_alias="AZURE_CLIENT_SECRET", description="Secret of that app"
    )
    azure_federated_token_file: str = Field(
        "",
        validation_alias="AZURE_FEDERATED_TOKEN_FILE",
        description="Token of a Kubernetes workload, in place of a secret",
    )
    azure_authority_host: str = Field(
        "https://login.microsoftonline.com",
        validation_alias="AZURE_AUTHORITY_HOST",
        description="Where to sign in (sovereign clouds)",
    )
    hf_token: SecretStr | None = Field(
        None, validation_alias="HF_TOKEN", description="Hugging Face token, for its model router"
    )
    hf_url: str = Field(
        "https://router.huggingface.co",
        validation_alias="PARLEY_HF_URL",
        description="Another server that speaks as Hugging Face's router does",
    )
    openrouter_api_key: SecretStr | None = Field(
        None, validation_alias="OPENROUTER_API_KEY", description="Key for OpenRouter"
    )
    servers: SecretStr | None = Field(
        None,
        validation_alias="PARLEY_SERVERS",
        description="Further model servers as NAME=ADDRESS, e.g. vllm=http://gpu:8000/v1, mine=https://KEY@host/v1",
    )
    chat_model: Listed = Field(
        (), validation_alias="PARLEY_CHAT_MODEL", description="Model that chats; more than one: fallbacks"
    )
    vision_model: Listed = Field((), validation_alias="PARLEY_VISION_MODEL", description="Model that looks at pictures")
    image_model: Listed = Field((), validation_alias="PARLEY_IMAGE_MODEL", description="Model that draws pictures")
    speech_model: Listed = Field(
        (), validation_alias="PARLEY_SPEECH_MODEL", description="Model that transcribes voice notes"
    )
    voice_model: Listed = Field((), validation_alias="PARLEY_VOICE_MODEL", description="Model that reads answers aloud")
    embed_model: Listed = Field((), validation_alias="PARLEY_EMBED_MODEL", description="Model that computes embeddings")
    moderate_model: Listed = Field(
        (), validation_alias="PARLEY_MODERATE_MODEL", description="Model that screens what is asked and answered"
    )
    context_tokens: Annotated[int, Ge(1000), Le(500_000)] = Field(
        16_000,
        validation_alias="PARLEY_CONTEXT_TOKENS",
        description="How many tokens of earlier conversation a model is shown; fewer for a small local model",
    )
    allowed_models: Listed = Field(
        (),
        validation_alias="PARLEY_ALLOWED_MODELS",
        description="Further models that moderators may choose, e.g. openai:gpt-6-astra, image=openai:gpt-image-2",
    )
    prices: str = Field(
        "",
        validation_alias="PARLEY_PRICES",
        description='Prices in US dollars, as JSON or the path of a JSON or TOML file, e.g. {"openai:gpt-6-luna": '
        '{"input": 0.1, "output": 0.5}}',
    )
    probe: bool = Field(
        True,
        validation_alias="PARLEY_PROBE",
        description="Look for a model server on this machine when no other is named",
    )

    @field_validator("servers", mode="after")
    @classmethod
    def _are_servers(cls, value: SecretStr | None) -> SecretStr | None:
        from bot.models.servers import read_servers

        read_servers(value.get_secret_value() if value else "")
        return value

    @field_validator("prices", mode="after")
    @classmethod
    def _are_prices(cls, value: str) -> str:
        from bot.models.prices import read_prices

        read_prices(value)
        return value

    @field_validator("allowed_models", mode="after")
    @classmethod
    def _are_models(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            role, _, name = entry.rpartition("=")
            if role not in ("", "chat", "vision", "image", "speech", "voice") or not all(name.partition(":")):
                raise ValueError("has to list SERVER:MODEL, or ROLE=SERVER:MODEL such as image=openai:gpt-image-2")
        return value
