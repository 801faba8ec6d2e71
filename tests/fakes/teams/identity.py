"""The Bot Framework's key set and tokens, and the sign-in server where a bot gets its own."""

from __future__ import annotations

import functools
import json
import time
import uuid
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.teams.world import Json

ISSUER = "https://api.botframework.com"
SCOPE = f"{ISSUER}/.default"


@functools.cache
def rsa_key(number: int) -> rsa.RSAPrivateKey:
    """One of a few keys, made once for all tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Identity:
    """Signs what Teams sends, and gives tokens to the bot."""

    def __init__(self, app_id: str, password: str, tenant: str) -> None:
        self.app_id = app_id
        self.password = password
        self.tenant = tenant
        self.endorsements = ["msteams", "webchat"]
        self.token_seconds = 3600
        self.given: list[str] = []  # every token that a bot got
        self._valid: dict[str, float] = {}
        self._number = 0

    @property
    def kid(self) -> str:
        return f"key-{self._number}"

    @property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa_key(self._number)

    def rotate(self) -> None:
        """From now on another key signs, and only it is published."""
        self._number += 1

    def sign(
        self,
        service_url: str,
        *,
        key: Any = None,
        algorithm: str = "RS256",
        headers: Json | None = None,
        without: tuple[str, ...] = (),
        **changes: Any,
    ) -> str:
        """A token as Teams sends it with an activity; `changes` replace claims, `without` leaves some out."""
        now = int(time.time())
        claims = {
            "serviceurl": service_url,
            "nbf": now - 60,
            "exp": now + 3600,
            "iss": ISSUER,
            "aud": self.app_id,
        } | changes
        for name in without:
            del claims[name]
        return jwt.encode(
            claims, self.key if key is None else key, algorithm=algorithm, headers={"kid": self.kid} | (headers or {})
        )

    def accepts(self, authorization: str) -> bool:
        """Whether this header carries a token that was given to the bot and has not ended."""
        scheme, _, token = authorization.partition(" ")
        return scheme == "Bearer" and self._valid.get(token, 0) > time.monotonic()

    def revoke(self) -> None:
        """Every token that was given is refused from now on."""
        self._valid.clear()

    def metadata(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": ISSUER,
                "authorization_endpoint": "https://invalid.botframework.com",
                "jwks_uri": f"{request.url.origin()}/v1/.well-known/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )

    def keys(self, request: web.Request) -> web.Response:
        del request
        published = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        published |= {"kid": self.kid, "use": "sig", "x5t": self.kid, "endorsements": self.endorsements}
        del published["key_ops"]
        return web.json_response({"keys": [published]})

    async def token(self, request: web.Request, tenant: str) -> web.Response:
        form = await request.post()
        wanted = {
            "grant_type": "client_credentials",
            "client_id": self.app_id,
            "client_secret": self.password,
            "scope": SCOPE,
        }
        if tenant != self.tenant:
            return _refused(400, "invalid_request", "AADSTS90002: no such tenant")
        for name, value in wanted.items():
            if form.get(name) != value:
                return _refused(401, "invalid_client", f"AADSTS7000215: {name} is wrong")
        token = f"eyJ.{uuid.uuid4().hex}.{len(self.given)}"
        self.given.append(token)
        self._valid[token] = time.monotonic() + self.token_seconds
        return web.json_response(
            {
                "token_type": "Bearer",
                "expires_in": self.token_seconds,
                "ext_expires_in": self.token_seconds,
                "access_token": token,
            }
        )


def _refused(status: int, error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=status)
