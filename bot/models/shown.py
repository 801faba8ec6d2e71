"""Pictures as they are shown to models: made small and clean once, however often they are asked about."""

import asyncio
import hashlib
from base64 import b64encode
from collections import OrderedDict

from bot.media import fit_picture
from bot.messages import Attachment

__all__ = ["Shown"]

_MOST = 8
_SECONDS = 300.0


class Shown:
    """The last few pictures as data URIs, for some minutes: a picture is asked about again with every call of a tool.

    The same bytes each time also let a server use again what it has read of a conversation.
    """

    def __init__(self) -> None:
        self._made: OrderedDict[tuple[bytes, int], tuple[float, asyncio.Task[str]]] = OrderedDict()

    async def uri(self, picture: Attachment, side: int) -> str:
        """This picture, which has its bytes, at most `side` pixels long. Raises a `MediaError`."""
        now = asyncio.get_running_loop().time()
        key = hashlib.blake2b(picture.data, digest_size=16).digest(), side
        for old in [each for each, (made, _) in self._made.items() if made + _SECONDS < now]:
            del self._made[old]
        if key not in self._made:
            self._made[key] = now, asyncio.create_task(_uri(picture.data, side))
            if len(self._made) > _MOST:
                self._made.popitem(last=False)
        _, making = self._made[key]
        try:
            return await asyncio.shield(making)
        except Exception:
            self._made.pop(key, None)
            raise


async def _uri(data: bytes, side: int) -> str:
    """Always the bytes themselves: an address may expire, need a token, or make the server fetch what it should not."""
    fitted = await fit_picture(data, side=side)
    return f"data:{fitted.media_type};base64,{b64encode(fitted.data).decode('ascii')}"
