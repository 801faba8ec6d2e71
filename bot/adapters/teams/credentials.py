"""How the bot proves who it is: by a secret, by a certificate, or by the machine it runs on."""

import asyncio
import base64
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import SecretStr

from bot.adapter import AdapterOff

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["Asking", "Certificate", "Credentials", "ManagedIdentity", "Secret", "credentials_of"]

_MINUTES = 10 * 60
_MACHINE = "http://169.254.169.254/metadata/identity/oauth2/token"  # where a machine in Azure asks for itself


@dataclass(frozen=True, slots=True)
class Asking:
    """A request for a token."""

    method: str
    address: str
    form: dict[str, str] | None = None
    query: dict[str, str] | None = None
    headers: dict[str, str] | None = None


class Credentials(Protocol):
    """What asks for a token. `remedy` is what to look at when it is refused."""

    remedy: str

    async def asking(self, scope: str) -> Asking:
        """The request for a token that is good for `scope`."""


class Secret:
    """The app's client secret."""

    remedy = "check TEAMS_APP_ID, TEAMS_APP_PASSWORD and TEAMS_TENANT_ID; the secret may have expired"

    def __init__(self, login_url: str, tenant: str, app_id: str, secret: SecretStr) -> None:
        self._address = _token_address(login_url, tenant)
        self._app_id = app_id
        self._secret = secret

    async def asking(self, scope: str) -> Asking:
        return Asking("POST", self._address, _form(self._app_id, scope, client_secret=self._secret.get_secret_value()))


class Certificate:
    """A certificate that was uploaded to the app, with its private key: it signs a short-lived word for itself."""

    remedy = "check TEAMS_APP_ID, TEAMS_TENANT_ID, and that the certificate of PARLEY_TEAMS_CERTIFICATE is the app's"

    def __init__(self, login_url: str, tenant: str, app_id: str, pem: bytes) -> None:
        """Raises `ValueError` for what is no PEM file with an RSA key and a certificate."""
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError("its key is not an RSA key")
        self._key = key
        self.certificate = x509.load_pem_x509_certificate(pem)
        print_ = self.certificate.fingerprint(hashes.SHA256())
        self._headers = {"x5t#S256": base64.urlsafe_b64encode(print_).decode().rstrip("=")}
        self._address = _token_address(login_url, tenant)
        self._app_id = app_id

    async def asking(self, scope: str) -> Asking:
        now = int(time.time())
        claims = {
            "aud": self._address,
            "iss": self._app_id,
            "sub": self._app_id,
            "jti": str(uuid.uuid4()),
            "nbf": now - 60,
            "exp": now + _MINUTES,
        }
        word = await asyncio.to_thread(jwt.encode, claims, self._key, algorithm="PS256", headers=self._headers)
        form = _form(
            self._app_id,
            scope,
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            client_assertion=word,
        )
        return Asking("POST", self._address, form)


class ManagedIdentity:
    """The identity that Azure gave to the machine or the app service that this runs on."""

    remedy = "check that the managed identity TEAMS_APP_ID is assigned to where Parley runs"

    def __init__(self, app_id: str, endpoint: str, header: SecretStr | None) -> None:
        self._app_id = app_id
        self._endpoint = endpoint
        self._header = header

    async def asking(self, scope: str) -> Asking:
        resource = scope.removesuffix("/.default")
        query = {"resource": resource, "client_id": self._app_id}
        if self._endpoint and self._header is not None:
            headers = {"X-IDENTITY-HEADER": self._header.get_secret_value()}
            return Asking("GET", self._endpoint, query=query | {"api-version": "2019-08-01"}, headers=headers)
        query["api-version"] = "2018-02-01"
        return Asking("GET", self._endpoint or _MACHINE, query=query, headers={"Metadata": "true"})


def credentials_of(config: "Config", tenant: str = "") -> Credentials:
    """What the configuration says the bot signs in with, to its own tenant or to another one that it serves.

    Raises `AdapterOff` for a certificate that cannot be used.
    """
    login, tenant, app_id = config.teams_login_url, tenant or config.teams_tenant_id, config.teams_app_id
    if config.teams_managed_identity:
        return ManagedIdentity(app_id, config.identity_endpoint, config.identity_header)
    if config.teams_certificate is not None:
        try:
            return Certificate(login, tenant, app_id, Path(config.teams_certificate).expanduser().read_bytes())
        except (OSError, ValueError, TypeError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise AdapterOff(
                f"PARLEY_TEAMS_CERTIFICATE cannot be used ({why}): it has to name a PEM file with the certificate and "
                "its private key, without a password."
            ) from None
    assert config.teams_app_password is not None
    return Secret(login, tenant, app_id, config.teams_app_password)


def _token_address(login_url: str, tenant: str) -> str:
    return f"{login_url}/{tenant}/oauth2/v2.0/token"


def _form(app_id: str, scope: str, **proof: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": app_id, "scope": scope, **proof}
