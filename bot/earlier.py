"""What was said earlier, as skills are given it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.messages import Said

__all__ = ["Earlier", "Found", "labels_of"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Earlier:
    """What was said before, oldest first; with `everybody`, all that was said, else only what was said to the bot."""

    said: tuple[Said, ...]
    everybody: bool

    def since_spoke(self, person_id: str) -> "Earlier":
        """What was said after this person last spoke; all of it when they did not."""
        spoke = [at for at, said in enumerate(self.said) if said.role == "user" and said.author_id == person_id]
        return Earlier(self.said[spoke[-1] + 1 :] if spoke else self.said, self.everybody)

    def newest(self, characters: int) -> "Earlier":
        """As much of the end as fits into so many characters."""
        start, room = len(self.said), characters
        while start and room > 0:
            start -= 1
            room -= len(self.said[start].text) + 40
        return Earlier(self.said[start if room > 0 else start + 1 :], self.everybody)

    @property
    def span(self) -> str:
        """From when to when, in UTC; empty where that is not known."""
        known = [said.at.astimezone(UTC) for said in self.said if said.at is not None]
        if not known:
            return ""
        first, last = min(known), max(known)
        until = f"{last:%H:%M}" if first.date() == last.date() else _moment(last)
        return _moment(first) if first == last else f"{_moment(first)} to {until}"

    def __str__(self) -> str:
        """As a model reads it: one line for each, with when and who."""
        labels = labels_of((said.author_id, said.author) for said in self.said if said.role == "user")
        lines = []
        for said in self.said:
            when = f"[{_moment(said.at)}] " if said.at else ""
            who = labels.get(said.author_id, "somebody") if said.role == "user" else "the assistant"
            lines.append(f"{when}{who}: {said.text}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was said about a matter. `snippet` is the part of it that matters, `link` where to open it."""

    said: Said
    snippet: str
    link: str = ""


def labels_of(people: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What people are called, by their ids, in the order in which they came: two of one name are told apart."""
    labels: dict[str, str] = {}
    taken: set[str] = set()
    for id_, name in people:
        if id_ in labels:
            continue
        plain = label = " ".join(name.split())[:80].replace(":", "") or "somebody"
        number = 1
        while label in taken:
            number += 1
            label = f"{plain} ({number})"
        labels[id_] = label
        taken.add(label)
    return labels


def _moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {_MONTHS[at.month - 1]} {at:%H:%M}"
