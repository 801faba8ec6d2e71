"""Who may use the page: whoever holds its token, from a page of its own, under an address of its own."""

import base64
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.adapter import AdapterOff
from bot.config import Config

__all__ = ["Access", "Refused", "harden", "page_token"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_STYLE = (
    "body{font:17px/1.6 Georgia,serif;max-width:34rem;margin:18vh auto 0;padding:0 1.5rem;color:#26302c;"
    "background:#faf8f4}h1{font-size:1.6rem;font-weight:600}code{background:#ece7dd;padding:.1em .35em;"
    "border-radius:.3em}@media (prefers-color-scheme:dark){body{color:#e8e6e1;background:#141716}"
    "code{background:#2a302e}}"
)
_LOCKED_POLICY = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_LOCKED = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Parley is locked</title><style>{_STYLE}</style></head><body><main><h1>This page needs its key</h1>
<p>Open the whole address that <code>parley run</code> printed when it started. It ends in
<code>?token=…</code>, and opening it once is enough: this browser will remember it.</p></main></body></html>
"""
_YEAR = 365 * 24 * 3600


class Refused(Exception):
    """A request that is not served: the HTTP status, and a sentence for the person."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def page_token(config: Config) -> str:
    """The token of the page: the configured one, or the one kept in the data folder, made when there is none, so that
    a bookmark and an open page outlive a restart. Raises `AdapterOff` when the folder cannot be used.
    """
    if config.web_token is not None:
        return config.web_token.get_secret_value()
    path = config.folder.expanduser() / "web-token"
    try:
        return _kept_token(path)
    except (OSError, UnicodeDecodeError) as error:
        raise AdapterOff(
            f"the page's token cannot be kept in {path} ({getattr(error, 'strerror', None) or error}). Set "
            "PARLEY_WEB_TOKEN, or name a folder that can be written with PARLEY_DATA."
        ) from None


def _kept_token(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)  # whoever made it: nobody else on this machine is to read it
    token = path.read_text(encoding="utf-8").strip()
    if not token:
        token = secrets.token_urlsafe(32)
        path.write_text(token + "\n", encoding="utf-8")
    return token


def harden(response: web.StreamResponse, *, policy: str = _POLICY) -> None:
    """Headers that every answer carries, so that no page elsewhere can show, read or misread it."""
    response.headers.setdefault("Content-Security-Policy", policy)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(self)"


class Access:
    """Lets requests through, or not. `port` tells the port the server listens on."""

    def __init__(self, config: Config, token: str, port: Callable[[], int]) -> None:
        self._on_loopback = config.on_loopback
        self._port = port
        self.change(token)

    def change(self, token: str) -> None:
        """Let only those in who bring this token, from now on."""
        self._token = token.encode()
        # The cookie is made from the token but does not give it away, and is safe to write in a header.
        self._cookie = hmac.new(self._token, b"parley page", hashlib.sha256).hexdigest()

    @property
    def cookie_name(self) -> str:
        """Cookies do not know ports; their names do, so that two of us on one machine do not lock each other out."""
        return f"parley-{self._port()}"

    def guard(self, handler: Handler) -> Handler:
        """The handler, served only to those who may. Refusals are sentences: JSON, or a page where one was wanted."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._check_host(request)
                self._check_token(request)
                self._check_origin(request)
                response = await handler(request)
            except Refused as refused:
                response = _refusal(request, refused)
            if not response.prepared:
                harden(response)
            return response

        return guarded

    def remember(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give the browser the cookie by which it is known from now on."""
        response.set_cookie(
            self.cookie_name,
            self._cookie,
            max_age=_YEAR,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )

    def _check_host(self, request: web.Request) -> None:
        """On loopback only this machine's names are served, or any page could reach us through a name of its own.

        Bound to a network, the names we are known by are not ours to know; there the token alone keeps strangers out.
        """
        if self._on_loopback and not _is_loopback(request.headers.get("Host", "")):
            raise Refused(403, "Parley is open to this machine only. Use the address that `parley run` printed.")

    def _check_token(self, request: web.Request) -> None:
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        given = [request.query.get("token", ""), bearer.strip() if scheme.lower() == "bearer" else ""]
        right = [hmac.compare_digest(each.encode("utf-8", "replace"), self._token) for each in given]
        cookie = request.cookies.get(self.cookie_name, "")
        right.append(hmac.compare_digest(cookie.encode("utf-8", "replace"), self._cookie.encode()))
        if not any(right):
            raise Refused(401, "The key of this page is missing or wrong. Open the address that `parley run` printed.")

    def _check_origin(self, request: web.Request) -> None:
        """What another page makes a browser send is not served, not even with the cookie."""
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower():
            raise Refused(403, "This request came from another page.")
        if request.path != "/" and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refused(403, "This request came from another page.")


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refusal(request: web.Request, refused: Refused) -> web.StreamResponse:
    if refused.status != 401:
        return web.json_response({"error": refused.sentence}, status=refused.status)
    if request.path == "/" or "text/html" in request.headers.get("Accept", ""):
        response = web.Response(status=401, text=_LOCKED, content_type="text/html")
        harden(response, policy=_LOCKED_POLICY)
    else:
        response = web.json_response({"error": refused.sentence}, status=401)
    response.headers["WWW-Authenticate"] = 'Bearer realm="Parley"'
    return response
