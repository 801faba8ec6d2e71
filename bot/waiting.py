"""Who waits for their turn, and whose turn is next: bounded, fair, and the same small cost however many wait."""

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from bot.messages import Channel, Message
from bot.turns import Running

__all__ = ["Load", "Turn", "Waiting", "WaitingTurn", "community_of"]

K = TypeVar("K", bound=Hashable)
_Key = tuple[str, str, str]
Turn = Callable[[Running], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Load:
    """How much is taken on: turns running at once in all and in one community; turns waiting in all, in one community,
    in one channel, and of one person in a channel; for how many `seconds` a question waits at most.

    Questions that bring files are turned away as soon as `media` of all places are taken. Of one person, `joined`
    questions at most are answered together.
    """

    running: int = 100
    running_in_community: int = 8
    waiting: int = 500
    in_community: int = 50
    in_channel: int = 3
    of_person: int = 1
    seconds: float = 60.0
    media: float = 0.5
    joined: int = 10


@dataclass(slots=True, eq=False)
class WaitingTurn:
    """A question that waits. `lock` is held while another question of the same person is joined to it."""

    running: Running
    turn: Turn
    joins: bool = False
    since: float = field(default_factory=time.monotonic)
    begun: bool = False  # or over: it waits no more
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def community_of(channel: Channel) -> _Key:
    """Who shares places and turns: the channels of a community; a private chat is one of its own."""
    return channel.key if channel.kind == "direct" or not channel.tenant else (*channel.key[:2], "")


class Waiting:
    """The questions that wait, by channel. Communities take turns, and within one its channels do.

    A channel has one turn at a time: `pop` begins it, `done` ends it.
    """

    def __init__(self, load: Load) -> None:
        self.load = load
        self.total = 0
        self._queues: dict[_Key, deque[WaitingTurn]] = {}
        self._in_community: Counter[_Key] = Counter()
        self._of_person: Counter[tuple[_Key, str]] = Counter()
        self._busy: dict[_Key, WaitingTurn] = {}  # channels whose turn is running
        self._running_in: Counter[_Key] = Counter()
        self._ready: OrderedDict[_Key, deque[_Key]] = OrderedDict()  # channels whose next turn can begin, by community
        self._held: dict[_Key, deque[_Key]] = {}  # the same of communities that have all the turns they may have
        self._by_age: deque[tuple[float, WaitingTurn]] = deque()

    @property
    def running(self) -> int:
        """How many turns are running."""
        return len(self._busy)

    def all_running(self) -> list[Running]:
        """What is being answered now."""
        return [each.running for each in self._busy.values()]

    def everything(self) -> list[Running]:
        """What is being answered now, and what waits."""
        return [*self.all_running(), *(each.running for queue in self._queues.values() for each in queue)]

    def of(self, channel: Channel) -> Iterator[Running]:
        """What is being answered in a channel, and then what waits there."""
        busy = self._busy.get(channel.key)
        if busy is not None:
            yield busy.running
        for each in list(self._queues.get(channel.key, ())):
            yield each.running

    def refuses(self, message: Message) -> bool:
        """Whether this question is more than may wait. Whoever runs the bot is bound by the sum alone."""
        load, key = self.load, message.channel.key
        if self.total >= load.waiting:
            return True
        if message.author.operator:
            return False
        return (
            bool(message.attachments and self.total >= load.waiting * load.media)
            or self._in_community[community_of(message.channel)] >= load.in_community
            or len(self._queues.get(key, ())) >= load.in_channel
            or self._of_person[key, message.author.id] >= load.of_person
        )

    def joinable(self, message: Message) -> WaitingTurn | None:
        """The waiting question of the same person to which this one can be joined."""
        for each in reversed(self._queues.get(message.channel.key, ())):
            earlier = each.running.message
            if each.joins and earlier.author.id == message.author.id and len(earlier.before) < self.load.joined:
                return each
        return None

    def add(self, running: Running, turn: Turn, *, joins: bool = False) -> None:
        """Let a question wait for its turn."""
        each, channel = WaitingTurn(running, turn, joins), running.message.channel
        queue = self._queues.setdefault(channel.key, deque())
        queue.append(each)
        self._count(each, 1)
        self.stamp(each)
        if len(queue) == 1 and channel.key not in self._busy:
            self._offer(channel)

    def stamp(self, each: WaitingTurn) -> None:
        """Its time of waiting begins now."""
        each.since = time.monotonic()
        self._by_age.append((each.since, each))

    def pop(self) -> WaitingTurn | None:
        """Begin the next turn, or None when no more can begin now."""
        while self._ready and len(self._busy) < self.load.running:
            community, keys = self._ready.popitem(last=False)
            key = keys.popleft()
            queue = self._queues.get(key)
            if not queue or key in self._busy:  # what waited there was given up
                if keys:
                    self._ready[community] = keys
                continue
            each = queue.popleft()
            if not queue:
                del self._queues[key]
            self._count(each, -1)
            each.begun = True
            self._busy[key] = each
            self._running_in[community] += 1
            if keys:  # behind the other communities
                full = self._running_in[community] >= self.load.running_in_community
                (self._held if full else self._ready)[community] = keys
            return each
        return None

    def done(self, each: WaitingTurn) -> None:
        """Its turn is over."""
        channel = each.running.message.channel
        community = community_of(channel)
        del self._busy[channel.key]
        _count(self._running_in, community, -1)
        held = self._held.pop(community, None)
        if held:
            self._ready[community] = held
        if channel.key in self._queues:
            self._offer(channel)

    def drop(self, running: Running) -> bool:
        """Let a question wait no more; `False` when it does not, or when another is just being joined to it."""
        for each in self._queues.get(running.message.channel.key, ()):
            if each.running is running and not each.lock.locked():
                self._remove(each)
                return True
        return False

    def overdue(self) -> list[WaitingTurn]:
        """What has waited too long. It waits no more."""
        found = []
        now = time.monotonic()
        while self._by_age and (self._is_stale(*self._by_age[0]) or self._by_age[0][0] + self.load.seconds <= now):
            since, each = self._by_age.popleft()
            # Whoever joins a question to it just now stamps it anew; who runs the bot may wait for as long as it takes.
            patient = each.lock.locked() or each.running.message.author.operator
            if not self._is_stale(since, each) and not patient:
                self._remove(each)
                found.append(each)
        return found

    def due(self) -> float | None:
        """Seconds until something will have waited too long, or None."""
        while self._by_age and self._is_stale(*self._by_age[0]):
            self._by_age.popleft()
        return max(0.0, self._by_age[0][0] + self.load.seconds - time.monotonic()) if self._by_age else None

    def clear(self) -> None:
        """Nothing waits any more."""
        self._queues.clear()
        self._ready.clear()
        self._held.clear()
        self._by_age.clear()
        self._in_community.clear()
        self._of_person.clear()
        self.total = 0

    @staticmethod
    def _is_stale(since: float, each: WaitingTurn) -> bool:
        return each.begun or each.since != since

    def _offer(self, channel: Channel) -> None:
        community = community_of(channel)
        full = self._running_in[community] >= self.load.running_in_community
        (self._held if full else self._ready).setdefault(community, deque()).append(channel.key)

    def _remove(self, each: WaitingTurn) -> None:
        key = each.running.message.channel.key
        queue = self._queues[key]
        queue.remove(each)
        if not queue:
            del self._queues[key]
        self._count(each, -1)
        each.begun = True

    def _count(self, each: WaitingTurn, by: int) -> None:
        message = each.running.message
        self.total += by
        _count(self._in_community, community_of(message.channel), by)
        _count(self._of_person, (message.channel.key, message.author.id), by)


def _count(counter: Counter[K], what: K, by: int) -> None:
    counter[what] += by
    if not counter[what]:
        del counter[what]  # what is over takes no room
