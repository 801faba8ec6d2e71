"""The files the page is made of, read once."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from aiohttp import web

__all__ = ["Assets"]

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_PAGE = "page.html"


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media_type: str
    tag: str


class Assets:
    """The page and what belongs to it."""

    def __init__(self) -> None:
        self._assets = {}
        for found in (files(__package__) / "page").iterdir():
            media_type = _TYPES.get(f".{found.name.rpartition('.')[2]}")
            if media_type:
                content = found.read_bytes()
                self._assets[found.name] = _Asset(content, media_type, hashlib.sha256(content).hexdigest()[:16])

    def page(self, request: web.Request) -> web.Response:
        """The page itself."""
        page = self._assets[_PAGE]
        return web.Response(body=page.content, content_type=page.media_type, charset="utf-8")

    def find(self, request: web.Request, name: str) -> web.Response | None:
        """One of the files the page asks for; browsers keep it, but ask each time whether it has changed."""
        asset = self._assets.get(name)
        if asset is None or name == _PAGE:
            return None
        known = request.if_none_match
        if known and any(each.value == asset.tag for each in known):
            response = web.Response(status=304)
        else:
            response = web.Response(body=asset.content, content_type=asset.media_type, charset="utf-8")
        response.etag = asset.tag
        response.headers["Cache-Control"] = "private, no-cache"
        return response
