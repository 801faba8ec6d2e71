"""The smallest bot on botbuilder as it comes, with nothing replaced: it answers each message with one post.

    python -m bench.teams_stock

Without credentials, or with those of the loopback Teams in the environment. Then it checks the token of every activity
as the library does, but need not ask for its own, which the library would do over https only, twice for each message.
"""

import asyncio
import contextlib
import os
from typing import Any

import aiohttp
from aiohttp import web
from botbuilder.core import CloudAdapterBase, TurnContext
from botbuilder.schema import Activity, ActivityTypes
from botframework.connector.auth import (
    BotFrameworkAuthentication,
    BotFrameworkAuthenticationFactory,
    MicrosoftAppCredentials,
    PasswordServiceClientCredentialFactory,
)

from bench.teams_floor import serve

SCOPE = "https://api.botframework.com"


class WithToken(MicrosoftAppCredentials):  # type: ignore[misc]
    """Credentials whose token is there already."""

    token = ""

    def get_access_token(self, force_refresh: bool = False) -> str:
        return self.token


class Factory(PasswordServiceClientCredentialFactory):  # type: ignore[misc]
    async def create_credentials(self, app_id: str, oauth_scope: str, *_: Any, **__: Any) -> MicrosoftAppCredentials:
        return WithToken(app_id, self.password, self.tenant_id, oauth_scope)


async def authentication() -> BotFrameworkAuthentication:
    app_id = os.environ.get("TEAMS_APP_ID", "")
    if not app_id:
        return BotFrameworkAuthenticationFactory.create()
    password, tenant = os.environ["TEAMS_APP_PASSWORD"], os.environ["TEAMS_TENANT_ID"]
    login = os.environ["PARLEY_TEAMS_LOGIN_URL"]
    asked = {"grant_type": "client_credentials", "client_id": app_id, "client_secret": password}
    asked["scope"] = f"{SCOPE}/.default"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{login}/{tenant}/oauth2/v2.0/token", data=asked) as response,
    ):
        WithToken.token = (await response.json())["access_token"]
    return BotFrameworkAuthenticationFactory.create(
        to_channel_from_bot_login_url=login,
        to_channel_from_bot_oauth_scope=SCOPE,
        to_bot_from_channel_token_issuer=SCOPE,
        to_bot_from_channel_open_id_metadata_url=os.environ["PARLEY_TEAMS_OPENID_URL"],
        to_bot_from_emulator_open_id_metadata_url=os.environ["PARLEY_TEAMS_OPENID_URL"],
        credential_factory=Factory(app_id, password, tenant),
    )


async def main() -> None:
    adapter = CloudAdapterBase(await authentication())

    async def turn(context: TurnContext) -> None:
        if context.activity.type == ActivityTypes.message:
            await context.send_activity(f"You said: {context.activity.text}")

    async def receive(request: web.Request) -> web.Response:
        """As the library's own package for aiohttp does."""
        activity = Activity().deserialize(await request.json())
        await adapter.process_activity(request.headers.get("Authorization", ""), activity, turn)
        return web.Response(status=201)

    await serve([web.post("/api/messages", receive)])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
