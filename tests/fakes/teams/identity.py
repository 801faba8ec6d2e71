"""The Bot Framework's key set and tokens, and the sign-in server where a bot gets its own."""

from __future__ import annotations

import base64
import functools
import json
import time
import uuid
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
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
        self.graph = "https://graph.microsoft.com"
        self.certificate: x509.Certificate | None = None
        self._valid: dict[str, float] = {}
        self._for_graph: dict[str, tuple[float, str]] = {}
        self.tenants: set[str] = set()  # further ones that the app was added to
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
        """Whether this header carries a token that was given to the bot for Teams, and has not ended."""
        scheme, _, token = authorization.partition(" ")
        return scheme == "Bearer" and self._valid.get(token, 0) > time.monotonic()

    def graph_tenant(self, authorization: str) -> str:
        """The tenant for which this header's token is good at Graph; empty for none."""
        scheme, _, token = authorization.partition(" ")
        until, tenant = self._for_graph.get(token, (0.0, ""))
        return tenant if scheme == "Bearer" and until > time.monotonic() else ""

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
        if tenant != self.tenant and not (tenant in self.tenants and form.get("scope") != SCOPE):
            return _refused(400, "invalid_request", "AADSTS90002: no such tenant")
        if form.get("scope") == f"{self.graph}/.default":
            wanted["scope"] = f"{self.graph}/.default"
        if "client_assertion" in form:
            del wanted["client_secret"]
            why = self._assertion(request, form)
            if why:
                return _refused(401, "invalid_client", f"AADSTS700027: {why}")
        for name, value in wanted.items():
            if form.get(name) != value:
                return _refused(401, "invalid_client", f"AADSTS7000215: {name} is wrong")
        return self._give(graph=form.get("scope") != SCOPE, tenant=tenant)

    def _assertion(self, request: web.Request, form: Any) -> str:
        """What is wrong with a word that a certificate signed for itself; empty for nothing."""
        if self.certificate is None or not str(form.get("client_assertion_type")).endswith(":jwt-bearer"):
            return "no certificate was uploaded"
        word = str(form["client_assertion"])
        print_ = base64.urlsafe_b64encode(self.certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
        if jwt.get_unverified_header(word).get("x5t#S256") != print_:
            return "another certificate"
        try:
            claims = jwt.decode(word, self.certificate.public_key(), ["PS256"], audience=str(request.url))
        except jwt.PyJWTError as error:
            return str(error)
        return "" if claims["iss"] == claims["sub"] == self.app_id and claims["exp"] - time.time() < 900 else "claims"

    def machine(self, request: web.Request) -> web.Response:
        """The token of a managed identity, as a machine in Azure or an app service gets it."""
        query, headers = request.query, request.headers
        if query.get("client_id") != self.app_id or query.get("resource") not in (ISSUER, self.graph):
            return _refused(400, "invalid_request", "resource or client_id is wrong")
        if headers.get("X-IDENTITY-HEADER") != self.password and headers.get("Metadata") != "true":
            return _refused(403, "forbidden", "no header")
        return self._give(graph=query.get("resource") == self.graph)

    def _give(self, *, graph: bool, tenant: str = "") -> web.Response:
        token = f"eyJ.{uuid.uuid4().hex}.{len(self.given)}"
        if graph:
            self._for_graph[token] = time.monotonic() + self.token_seconds, tenant or self.tenant
        else:
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
