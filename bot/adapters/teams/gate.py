"""Who is let in. One gate for every kind of event: first the token alone, then what it says about the activity."""

import re
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import structlog

from bot.adapters.teams.hosts import Hosts
from bot.adapters.teams.keys import Keys, KeysUnavailable
from bot.adapters.teams.newest import keep
from bot.budget import Seldom

__all__ = ["Gate", "Pass", "Turned", "cloud_root"]

log = structlog.get_logger(__name__)

_CHANNEL = "msteams"
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_LEEWAY = 300  # seconds that two clocks may differ
_KEPT = 200
_OLDEST = timedelta(minutes=10)
_FEW = 3  # people for whom one token may speak without a word about it
_ALERT_EVERY = 24 * 3600.0
_ROOTS = {".azure.us": "https://api.botframework.us", ".azure.cn": "https://api.botframework.azure.cn"}


class Turned(Exception):
    """A request that is turned away, with the HTTP status and a sentence for whoever sent it."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Pass:
    """A verified token: what it claims, the channels that its key may speak for, and some of those it spoke for."""

    claims: Mapping[str, Any]
    endorsements: frozenset[str]
    senders: set[str] = field(default_factory=set, compare=False)


@dataclass(frozen=True, slots=True)
class _Known:
    """A token that was verified: what it shows, by which key, and when it ends."""

    shown: Pass
    kid: str
    key: Any
    until: float


def cloud_root(openid_host: str) -> str:
    """Who issues tokens, and for whom the bot asks one: sovereign clouds have their own."""
    return next((root for end, root in _ROOTS.items() if openid_host.endswith(end)), "https://api.botframework.com")


class Gate:
    """Decides about requests. `keys` is None where there are no credentials (on this machine only)."""

    def __init__(self, *, app_id: str, issuer: str, tenants: Iterable[str], keys: Keys | None, hosts: Hosts) -> None:
        self._app_id = app_id
        self._issuer = issuer
        self._tenants = frozenset(tenant.lower() for tenant in tenants)
        self._keys = keys
        self._hosts = hosts
        self._known: OrderedDict[str, _Known] = OrderedDict()  # Teams shows the same token for an hour
        self._many = Seldom(_ALERT_EVERY)

    async def verify(self, authorization: str) -> Pass:
        """Check the Authorization header, before anything of the body is read. Raises `Turned`."""
        if self._keys is None:
            return Pass({}, frozenset())
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token):
            raise Turned(401, "Unauthorized", "A bearer token of the Bot Framework is required.")
        known = self._known.get(token)
        if known is not None and known.until > time.time() and await self._is_still_good(known):
            return known.shown
        try:
            kid = str(jwt.get_unverified_header(token).get("kid", ""))
            key = await self._keys.find(kid)
            if key is None:
                raise Turned(401, "Unauthorized", "The token is signed with an unknown key.")
            claims = jwt.decode(
                token,
                key.public,
                algorithms=["RS256"],
                audience=self._app_id,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": ["exp", "nbf", "iss", "aud"]},
            )
            until = float(claims["exp"])
        except KeysUnavailable:
            raise Turned(503, "KeysUnavailable", "The signing keys cannot be fetched just now.") from None
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
            log.warning("a token is out of its time", remedy="if this repeats, check this machine's clock")
            raise Turned(401, "Unauthorized", "The token has expired or is not valid yet.") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise Turned(401, "Unauthorized", "The token is not valid here.") from None
        shown = Pass(claims, key.endorsements)
        keep(self._known, token, _Known(shown, kid, key, until), _KEPT)
        return shown

    async def _is_still_good(self, known: "_Known") -> bool:
        """Whether the key that signed a token is still the one that is published."""
        assert self._keys is not None
        try:
            return await self._keys.find(known.kid) is known.key
        except KeysUnavailable:
            return False

    def admit(self, shown: Pass, activity: Any, tenants: Iterable[str]) -> None:
        """Check that a verified token covers this activity (botbuilder's, that names these `tenants`).

        Raises `Turned`.
        """
        if not self._hosts.trusts(activity.service_url) or "?" in activity.service_url or "#" in activity.service_url:
            raise Turned(403, "ForeignHost", "serviceUrl is not a host of Teams.")
        if self._keys is None:
            return
        if activity.channel_id != _CHANNEL or _CHANNEL not in shown.endorsements:
            raise Turned(403, "ForeignChannel", "Only Microsoft Teams is served here.")
        claimed = shown.claims.get("serviceurl")
        if not isinstance(claimed, str) or claimed.rstrip("/") != activity.service_url.rstrip("/"):
            raise Turned(403, "ServiceUrlMismatch", "serviceUrl is not the one the token was made for.")
        named = {tenant.lower() for tenant in tenants}
        if not named or named - self._tenants:
            log.warning("a foreign tenant was turned away", tenants=sorted(each[:64] for each in named))
            raise Turned(403, "ForeignTenant", "This bot does not serve your organisation.")
        if activity.timestamp is not None and datetime.now(UTC) - activity.timestamp > _OLDEST:
            log.warning("an old activity was turned away", remedy="if this repeats, check this machine's clock")
            raise Turned(403, "TooOld", "The activity is more than ten minutes old.")
        self._notice(shown, activity)

    def _notice(self, shown: Pass, activity: Any) -> None:
        """Alert when one token speaks for many people: usual where many use the bot, and a stolen one elsewhere."""
        sender = activity.from_property.id if activity.from_property else ""
        if not sender or len(shown.senders) > _FEW or sender in shown.senders:
            return
        shown.senders.add(sender)
        if len(shown.senders) > _FEW and self._many.due("senders"):
            remedy = "none where more than a few people use the bot; elsewhere look who does"
            log.warning("one token speaks for many senders", senders=len(shown.senders), remedy=remedy)
