"""The whole bot, put together: configuration → storage, models, skills, adapters → a running Parley."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from bot.adapter import Adapter, AdapterOff
from bot.budget import DAY
from bot.commands import commands_of
from bot.config import Config
from bot.conversation import Conversation
from bot.discovery import Found, find_adapters, find_skills
from bot.dispatch import Dispatch, Load
from bot.health import Health
from bot.limits import Limited
from bot.metrics import LAG, RUNNING, WAITING
from bot.models import Models
from bot.models.find import find_models
from bot.models.quirks import REMEMBERED_DAYS, Lessons
from bot.modelsettings import ModelSettings
from bot.server import Server
from bot.version import __version__
from bot.watchdog import Watchdog
from storage import Kept, Store, open_store, purge

__all__ = ["Parley", "Refused"]

log = structlog.get_logger(__name__)

RELOADED = (*Limited.model_fields, *ModelSettings.model_fields, "log_level", "drain", "web_token")
LESSONS = ("models", "lessons")  # where what was learned of models is kept
SETTLED_SECONDS = 30  # after the start, until the first look for what is too old
RESTART_SECONDS = (1, 5, 15, 60, 300)  # before a platform that was lost is joined again


class Refused(Exception):
    """The only platform that people could come from does not take the credentials; the text says what to set."""


class Parley:
    """One installation: open it, run it, close it."""

    def __init__(
        self,
        config: Config,
        store: Store,
        models: Models,
        skills: list[Found],
        adapters: list[Adapter],
        off: dict[str, str],
        lessons: Lessons,
    ) -> None:
        self.config = config
        self.store = store
        self.models = models
        self.skills = skills
        self.adapters = adapters
        self.off = off
        self._lessons = lessons
        self._reloading = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()  # models that were used before, and are still answering
        token = config.web_token.get_secret_value() if config.web_token else ""
        usable = {found.name: found.skill for found in skills if found.skill is not None}
        by_name = {adapter.name: adapter for adapter in adapters}
        tokens = config.context_tokens
        self.conversation = Conversation(store, usable, models, by_name, config.quotas, tokens=tokens)
        self.dispatch = Dispatch(store, self.conversation, Load(running_in_community=config.community_turns_at_once))
        self.watchdog = Watchdog(self.conversation.cut_off)
        self.health = Health(adapters, store, models, self.dispatch, lambda: self.watchdog.lag)
        self.server = Server(config.host, config.port, self.health, token)
        RUNNING.set_function(lambda: self.dispatch.running)
        WAITING.set_function(lambda: self.dispatch.waiting)
        LAG.set_function(lambda: self.watchdog.lag)
        self._tasks: list[asyncio.Task[None]] = []  # while it runs
        self._stopping = asyncio.Event()
        self._refused = ""

    @classmethod
    async def open(cls, config: Config, *, only: tuple[str, ...] | None = None) -> "Parley":
        """Open storage, find models, skills and adapters; `only` names the adapters to use, by default all but the
        console. Raises `StorageError`.
        """
        store = await open_store(config.database)
        try:
            lessons = Lessons((await store.noted(*LESSONS) or {}).get("kept"))
            models, skills = await asyncio.gather(find_models(config, lessons=lessons), asyncio.to_thread(find_skills))
            adapters, off = await asyncio.to_thread(_switched_on, config, store, only)
        except BaseException:
            await store.close()
            raise
        return cls(config, store, models, skills, adapters, off, lessons)

    def report(self) -> list[tuple[str, bool, str]]:
        """What was found: (what, whether it is on, a plain sentence), for platforms, models and skills."""
        rows = [(adapter.name, True, adapter.greeting) for adapter in self.adapters]
        rows += [(name, False, why) for name, why in self.off.items()]
        rows += [(f"{role} model", self.models.serves(role), text) for role, text in self.models.describe().items()]
        rows += [
            (f"skill {found.name}", not found.refused, found.refused or f"from {found.package}")
            for found in self.skills
        ]
        return rows

    def status(self) -> dict[str, Any]:
        """The same for the page: JSON."""
        models = self.models.describe()
        return {
            "version": __version__,
            "model": models["chat"],
            "practice": bool(self.models.notices),
            "notice": " ".join(self.models.notices),
            "models": [{"role": role, "on": self.models.serves(role), "text": text} for role, text in models.items()],
            "skills": [{"name": found.name, "help": found.skill.help} for found in self.skills if found.skill],
            "platforms": [
                *({"name": adapter.name, "on": True, "text": ""} for adapter in self.adapters),
                *({"name": name, "on": False, "text": why} for name, why in self.off.items()),
            ],
        }

    async def run(self, ready: Callable[[], None], warm: Callable[[], None] = lambda: None) -> None:
        """Serve until `stop`. `ready` is called once everything that is on listens, `warm` once everything is there
        that an answer takes. Raises `PortTaken`, and `Refused` when nobody but whoever runs it could come any more.
        """
        with self.watchdog:
            await self._run(ready, warm)
        if self._refused:
            raise Refused(self._refused)

    async def _run(self, ready: Callable[[], None], warm: Callable[[], None]) -> None:
        serving = any(True for adapter in self.adapters for _ in adapter.routes())
        if serving:
            await self.server.start(self.adapters)
        for adapter in self.adapters:
            adapter.port = self.server.port
            adapter.status = self.status
            adapter.commands = commands_of(found.skill for found in self.skills if found.skill is not None)
        self._tasks = tasks = [asyncio.create_task(self._keep(adapter), name=adapter.name) for adapter in self.adapters]
        try:
            await asyncio.sleep(0)  # each has taken its first step, and hears
            left = await self.dispatch.recover(adapter.name for adapter in self.adapters)
            log.info("ready", platforms=[adapter.name for adapter in self.adapters], left_from_before=left)
            ready()
            warming = asyncio.create_task(self._warm(), name="warming")
            warming.add_done_callback(lambda _: warm())
            tasks.append(warming)
            tasks.append(asyncio.create_task(self._purge(), name="purging"))
            tasks.append(asyncio.create_task(self._keep_lessons(), name="keeping lessons"))
            tasks.append(asyncio.create_task(self.health.watch(), name="watching"))
            await self._stopping.wait()
        finally:
            await self.dispatch.drain(self.config.drain)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.server.close()

    async def _warm(self) -> None:
        """Do now what would make the first question slow."""
        try:
            await self.models.warm()
        except Exception:
            log.exception("the models could not be prepared; each question will try again")

    async def _purge(self) -> None:
        """Forget what is too old, soon after the start and then once a day."""
        await asyncio.sleep(SETTLED_SECONDS)
        while True:
            try:
                gone = await purge(self.store, Kept(self.config.keep_days, self.config.keep_messages))
                log.info("purged", **{name: count for name, count in gone.items() if count})
            except Exception:
                log.exception("what is too old could not be purged; tomorrow again")
            await asyncio.sleep(DAY)

    async def _keep(self, adapter: Adapter) -> None:
        """Keep one platform joined, whatever happens to it or to the others."""
        attempt = 0
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            try:
                await adapter.run(self.dispatch)
            except AdapterOff as error:
                self.off[adapter.name] = str(error)
                log.error("a platform is off", platform=adapter.name, reason=str(error))
                if not adapter.own and all(each.own or each.name in self.off for each in self.adapters):
                    self._refused = f"{adapter.name}: {error}"
                    self.stop()  # a supervisor should know: starting again would not help
                return
            except Exception:
                log.exception("a platform was lost", platform=adapter.name)
            if asyncio.get_running_loop().time() - started > max(RESTART_SECONDS):
                attempt = 0
            await asyncio.sleep(RESTART_SECONDS[min(attempt, len(RESTART_SECONDS) - 1)])
            attempt += 1

    async def reload(self, config: Config) -> list[str]:
        """Take over what can be while it runs; the names of changed settings that take a restart.

        Models are asked in the new way from the next request on; answers that have begun are finished in the old one.
        """
        async with self._reloading:
            changed = [name for name in Config.model_fields if getattr(config, name) != getattr(self.config, name)]
            if config.prices or not ModelSettings.model_fields.keys().isdisjoint(changed):  # prices may be in a file
                before = self.models.replace(await find_models(config, lessons=self._lessons))
                closing = asyncio.create_task(self._close_later(before), name="closing models")
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
                await self._warm()
            self.conversation.remember(config.context_tokens)
            self.conversation.allowance.quotas = config.quotas
            self.dispatch.share(config.community_turns_at_once)
            self.server.token = config.web_token.get_secret_value() if config.web_token else ""
            taken = set(RELOADED)
            for adapter in self.adapters:
                names = adapter.reload(config)
                taken.update(names)
                if adapter.name in self.off and self._tasks and not set(names).isdisjoint(changed):
                    del self.off[adapter.name]  # it may be let in by now
                    self._tasks.append(asyncio.create_task(self._keep(adapter), name=adapter.name))
            self.config = self.config.model_copy(update={name: getattr(config, name) for name in taken})
            return [str(Config.model_fields[name].validation_alias) for name in changed if name not in taken]

    async def _close_later(self, models: Models) -> None:
        """Close models that are not used any more, once what they are answering has ended."""
        try:
            await self.dispatch.passed()
        finally:
            await models.close()

    async def _keep_lessons(self) -> None:
        """Write down what has been learned of models."""
        while True:
            await self._lessons.changed.wait()
            self._lessons.changed.clear()
            try:
                await self.store.note(*LESSONS, {"kept": self._lessons.kept()}, days=REMEMBERED_DAYS)
            except Exception:
                log.exception("what was learned of models could not be kept; it will be learned again")

    def stop(self) -> None:
        """Ask `run` to end: nothing new is begun, and what is running is finished or marked within 20 seconds."""
        self._stopping.set()

    async def close(self) -> None:
        """Close everything that `open` opened."""
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self.models.close()
        await self.store.close()


def _switched_on(config: Config, store: Store, only: tuple[str, ...] | None) -> tuple[list[Adapter], dict[str, str]]:
    """The adapters that can run as configured, and for each of the others the one thing to set."""
    adapters: list[Adapter] = []
    off: dict[str, str] = {}
    for name, found in find_adapters().items():
        if name not in only if only is not None else name == "console":
            continue
        try:
            adapters.append(found()(config, store))
        except AdapterOff as error:
            off[name] = str(error)
        except Exception as error:
            log.exception("an adapter could not be loaded", adapter=name)
            off[name] = f"it could not be loaded: {type(error).__name__}: {error}"
    return adapters, off
