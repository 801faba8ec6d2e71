"""Where Discord is. Usually discord.com; for a compatible server elsewhere, wherever discord.py was pointed to."""

import yarl
from discord.asset import Asset
from discord.gateway import DiscordWebSocket
from discord.http import Route

__all__ = ["gateway_found", "may_download", "point_at"]

_DISCORD = frozenset({"discord.com", "cdn.discordapp.com", "gateway.discord.gg"})
_FILES = frozenset({"cdn.discordapp.com", "media.discordapp.net"})


def point_at(api: str) -> None:
    """Use the REST interface at `api`, e.g. `http://127.0.0.1:9999/api/v10`."""
    address = yarl.URL(api)
    Route.BASE = str(address if address.path != "/" else address.with_path("/api/v10"))


def gateway_found(address: yarl.URL) -> None:
    """Remember the gateway that another server named; discord.py would join Discord's own after a lost session."""
    if yarl.URL(Route.BASE).host not in _DISCORD:
        DiscordWebSocket.DEFAULT_GATEWAY = address


def may_download(address: str) -> bool:
    """Whether files are fetched from there: from Discord's own hosts by https, or from the server pointed to."""
    try:
        url = yarl.URL(address)
    except ValueError:
        return False
    if url.host in _FILES:
        return url.scheme == "https" and url.explicit_port in (None, 443)
    elsewhere = {yarl.URL(Route.BASE).host, yarl.URL(Asset.BASE).host} - _DISCORD
    return url.scheme in ("http", "https") and url.host in elsewhere
