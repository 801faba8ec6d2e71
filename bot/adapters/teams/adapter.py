"""Teams as one of Parley's platforms: the parts put together, and switched on only where that is safe."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from aiohttp import web

from bot.adapter import Adapter, AdapterOff, Community, Examined, Host, Limits, PostFailed
from bot.adapters.teams.addresses import Addresses
from bot.adapters.teams.bearer import Bearer, SignInFailed
from bot.adapters.teams.connector import Connector
from bot.adapters.teams.gate import Gate, cloud_root
from bot.adapters.teams.graph import Graph, graph_root
from bot.adapters.teams.hosts import Hosts, is_loopback, parse
from bot.adapters.teams.keys import Keys
from bot.adapters.teams.own import TeamsSettings
from bot.adapters.teams.playground import GREETS_AGAIN_SECONDS, RESTS_SECONDS
from bot.adapters.teams.wire import Wire
from bot.budget import Seldom
from bot.messages import Attachment, Channel, Person, Reply, Said
from storage import StorageError, StorageTrouble

if TYPE_CHECKING:
    from datetime import datetime

    from bot.commands import Command
    from bot.config import Config
    from storage import Store

__all__ = ["Teams"]

log = structlog.get_logger(__name__)

# Teams carries about 80 KB of UTF-16, older pages say 40 KB: this many units stay below also where a table is set in
# columns or signs are escaped, and are as much as anybody unfolds and reads.
_LIMITS = Limits(
    characters=12_000,
    attachments=10,
    attachment_bytes=10 * 1024 * 1024,
    pace=2.0,
    typing=4.0,
    once=False,
    resends=True,
    buttons=8,
)
# In a chat of one's own what is streamed shows by itself that it is being written, and files go to one's OneDrive.
_CHAT = replace(_LIMITS, pace=1.5, typing=0.0, attachment_bytes=32 * 1024 * 1024)
_ASKED = "asked-"  # see `sending.py`: a question that no message shows
_IN_CHAT = quote('{"contextType":"chat"}')
_LOOK_EVERY = 60.0


class Teams(Adapter):
    """Microsoft Teams, through the Bot Framework."""

    name = "teams"
    settings_type = TeamsSettings

    def __init__(self, config: "Config", store: "Store") -> None:
        super().__init__(config, store)
        self.anonymous = _is_anonymous(config)
        # botbuilder takes a second to import: only who uses it waits for it.
        from bot.adapters.teams.chats import Chats
        from bot.adapters.teams.cloud import Cloud
        from bot.adapters.teams.communities import Communities
        from bot.adapters.teams.consent import Consents
        from bot.adapters.teams.credentials import credentials_of
        from bot.adapters.teams.downloads import Downloads
        from bot.adapters.teams.files import Files
        from bot.adapters.teams.hearing import Hearing
        from bot.adapters.teams.ingress import PATH, Ingress
        from bot.adapters.teams.invokes import Invokes
        from bot.adapters.teams.menus import Menus
        from bot.adapters.teams.offered import Offered
        from bot.adapters.teams.people import People
        from bot.adapters.teams.places import Places
        from bot.adapters.teams.presses import Presses
        from bot.adapters.teams.quoting import Quoting
        from bot.adapters.teams.sending import Sending
        from bot.adapters.teams.settings import SettingsDialog
        from bot.adapters.teams.showing import Showing

        self._path = PATH
        self._wire = Wire()
        hosts = Hosts(config.teams_service_hosts, loopback_only=self.anonymous)
        openid = parse(config.teams_openid_url)
        root = cloud_root((openid.host or "") if openid else "")
        self._keys: Keys | None = None
        self._bearer: Bearer | None = None
        self._graph: Graph | None = None
        if not self.anonymous:
            credentials = credentials_of(config)
            self._keys = Keys(config.teams_openid_url, self._wire)
            self._bearer = Bearer(self._wire, credentials, f"{root}/.default")
            if graph := graph_root(config.teams_graph_url, config.teams_login_url):
                self._graph_scope = f"{graph}/.default"
                self._graph = Graph(self._wire, _bearers(self._wire, config, self._graph_scope), graph)
        gate = Gate(
            app_id=config.teams_app_id,
            issuer=root,
            tenants=(config.teams_tenant_id, *config.teams_tenants),
            keys=self._keys,
            hosts=hosts,
        )
        self._addresses = addresses = Addresses(store, config.keep_days)
        connector = Connector(self._wire, hosts, self._bearer)
        cloud = Cloud(connector)
        sending = Sending(cloud, addresses, hosts)
        self._consents = consents = Consents(sending, self._wire, hosts, store)
        files = Files(sending, store, consents, config.keep_days)
        offered = Offered(store, addresses)
        self._showing = Showing(
            sending, addresses, files, offered, self._canceled, sensitivity=config.teams_sensitivity
        )
        self._places = Places(connector)
        people = People(self._places, self._graph, config.teams_moderators)
        self._communities = Communities(addresses, connector)
        presses, chats = Presses(people, addresses, offered), Chats(addresses, connector)
        menus = Menus(people, addresses, chats, offered.asked, lambda: self.commands)
        settings = SettingsDialog(people)
        invokes = Invokes(addresses, menus, settings, consents, presses, self._showing.tidy, self._start)
        quoting = Quoting(self._graph, self._places, addresses, store, config.teams_app_id.strip())
        self._hearing = Hearing(addresses, hosts, people, invokes, presses, offered, chats, quoting, self._tell)
        if self.anonymous:
            self._hearing.taken = lambda channel: connector.rest(channel.id, RESTS_SECONDS)
            self._hearing.greets = Seldom(GREETS_AGAIN_SECONDS)
            invokes.meant = offered.newest
        self._downloads = Downloads(self._wire, hosts, self._bearer, self._graph)
        self._ingress = Ingress(gate, cloud, self._hearing.turn, anonymous=self.anonymous)
        self._background: set[asyncio.Task[None]] = set()

    @classmethod
    def package(cls, config: "Config", commands: "Sequence[Command]", *, messages: bool = True) -> bytes:
        from bot.adapters.teams.package import package

        return package(config, commands, messages=messages)

    @property
    def greeting(self) -> str:
        if self.anonymous:
            address = f"http://127.0.0.1:{self.port}{self._path}"
            return f"for clients on this machine only, without credentials, at {address}"
        return f"the bot {self.config.teams_app_id}; its messaging endpoint is https://YOUR-HOST{self._path}"

    @property
    def trouble(self) -> str:
        if self._keys is None or self._bearer is None:
            return ""
        return self._bearer.trouble if self._keys.usable else "the Bot Framework's signing keys are not there"

    def limits(self, channel: Channel) -> Limits:
        return _CHAT if channel.kind == "direct" else _LIMITS

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return (web.route("*", self._path, self._ingress.receive),)

    async def run(self, host: Host) -> None:
        await self._wire.open()
        self._hearing.host = host
        self._start(self._consents.resume())
        if self.anonymous:
            log.warning("teams is served without credentials, on this machine only")
        try:
            while True:
                if self.trouble:
                    await self._prepare()
                await asyncio.sleep(_LOOK_EVERY)
        finally:
            self._hearing.host = None
            await self._showing.close()
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            if self._keys is not None:
                await self._keys.close()
            if self._bearer is not None:
                await self._bearer.close()
            if self._graph is not None:
                await self._graph.close()
            await self._wire.close()

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        with _tried_again():
            return await self._showing.post(channel, reply, answers=answers, nonce=nonce)

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        with _tried_again():
            await self._showing.edit(channel, message_id, reply)

    async def remove(self, channel: Channel, message_id: str) -> None:
        with _tried_again():
            await self._showing.remove(channel, message_id)

    async def read(self, channel: Channel, attachment: Attachment, limit: int) -> bytes:
        return await self._downloads.read(attachment, limit, channel.tenant)

    async def earlier(
        self, channel: Channel, limit: int, since: "datetime | None", reader: Person
    ) -> tuple[Said, ...] | None:
        from bot.adapters.teams.history import earlier

        address = await self._addresses.find(channel)
        if self._graph is None or address is None or address.gone:
            return None
        place = await self._places.find(channel, address)
        if place is None:
            return None
        return await earlier(self._graph, place, limit, since, reader, self.config.teams_app_id.strip())

    def reload(self, config: "Config") -> Collection[str]:
        """Sign in with a new secret or certificate, also where a file of the same name holds another one."""
        from bot.adapters.teams.credentials import credentials_of

        if self._bearer is None:
            return ()
        proof = ("teams_app_password", "teams_certificate")
        changed = self.config.model_copy(update={name: getattr(config, name) for name in proof})
        try:
            _is_anonymous(changed)
            self._bearer.use(credentials_of(changed))
        except AdapterOff as error:
            log.error("teams keeps its credentials", reason=str(error))
            return ()
        if self._graph is not None:
            self._graph.bearer_of = _bearers(self._wire, changed, self._graph_scope)
        self.config = changed
        return proof

    async def communities(self) -> tuple[Community, ...]:
        return await self._communities.find()

    def link(self, channel: Channel, message_id: str) -> str:
        if channel.kind == "direct" or message_id.startswith(_ASKED):
            return ""  # Teams has no addresses for what is said to a bot alone
        place, message = quote(channel.settings_id, safe=""), quote(message_id, safe="")
        context = "" if channel.kind in ("channel", "thread") else f"&context={_IN_CHAT}"
        return f"https://teams.microsoft.com/l/message/{place}/{message}?tenantId={quote(channel.tenant)}{context}"

    async def typing(self, channel: Channel) -> None:
        await self._showing.typing(channel)

    async def examine(self) -> list[Examined]:
        from bot.adapters.teams.examining import examine

        return await examine(self.config)

    def _tell(self, channel: Channel, text: str, suggestions: tuple[str, ...]) -> None:
        self._start(self._showing.tell(channel, text, suggestions))

    async def _canceled(self, channel: Channel, message_id: str) -> None:
        """The person in this chat pressed Teams' own stop button."""
        if self._hearing.host is not None:
            await self._hearing.host.stop(channel, message_id, Person("", "", moderator=True))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this apart from what is going on."""
        task = asyncio.create_task(work, name="teams")
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("what was begun in teams failed", exc_info=error)

    async def _prepare(self) -> None:
        """Fetch keys and token before the first message needs them; wrong credentials are told of at once."""
        if self._keys is not None and self._bearer is not None:
            await self._keys.fetch()
            with contextlib.suppress(SignInFailed):  # told of already; every answer tries again
                await self._bearer.token()


@contextlib.contextmanager
def _tried_again() -> Iterator[None]:
    """Where it cannot be kept what is shown, that is no fault of the answer: it is shown later."""
    try:
        yield
    except (StorageError, StorageTrouble) as error:
        raise PostFailed(f"storage does not keep what is shown ({type(error).__name__})") from error


def _bearers(wire: Wire, config: "Config", scope: str) -> Callable[[str], Bearer]:
    """The token of each organisation that is served: what one gives out, another's does not get."""
    from bot.adapters.teams.credentials import credentials_of

    made: dict[str, Bearer] = {}
    served = {each.lower() for each in config.teams_tenants} - {config.teams_tenant_id.lower()}

    def bearer_of(tenant: str) -> Bearer:
        # A conversation always names its organisation, and the gate lets in only those that are served.
        name = tenant.lower() if tenant.lower() in served else config.teams_tenant_id
        if name not in made:
            made[name] = Bearer(wire, credentials_of(config, name), scope)
        return made[name]

    return bearer_of


def _is_anonymous(config: "Config") -> bool:
    """Whether to run without credentials. Raises `AdapterOff` with what to set."""
    proven = (config.teams_app_password, config.teams_certificate, config.teams_managed_identity or None)
    given = {
        "TEAMS_APP_ID": bool(config.teams_app_id.strip()),
        "TEAMS_APP_PASSWORD": any(each is not None for each in proven),
        "TEAMS_TENANT_ID": bool(config.teams_tenant_id.strip()),
    }
    if all(given.values()):
        for name, address in (
            ("PARLEY_TEAMS_OPENID_URL", config.teams_openid_url),
            ("PARLEY_TEAMS_LOGIN_URL", config.teams_login_url),
            ("PARLEY_TEAMS_GRAPH_URL", config.teams_graph_url or "https://"),
        ):
            url = parse(address)
            if address != "https://" and (url is None or (url.scheme != "https" and not is_loopback(url.host))):
                raise AdapterOff(f"{name} must be an address that begins with https://")
        return False
    if config.teams_anonymous:
        if config.on_loopback:
            return True
        raise AdapterOff(
            f"PARLEY_TEAMS_ANONYMOUS is for this machine only, but the server is bound to {config.host}: "
            "set PARLEY_HOST=127.0.0.1, or set TEAMS_APP_ID, TEAMS_APP_PASSWORD and TEAMS_TENANT_ID."
        )
    missing = [name for name, there in given.items() if not there]
    if len(missing) == len(given):
        raise AdapterOff(
            "set TEAMS_APP_ID, TEAMS_APP_PASSWORD and TEAMS_TENANT_ID "
            "(or PARLEY_TEAMS_ANONYMOUS=1 to try it on this machine)"
        )
    raise AdapterOff(f"set {' and '.join(missing)} too")
