"""May this person use this skill here? Pure: what moderators chose comes in, a `UserError` or nothing comes out."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from bot.errors import UserError
from bot.forms import PEOPLE, fill, form_of
from bot.log import redact
from bot.messages import Channel, Person
from bot.models import Role
from bot.skill import Settings, Skill
from bot.translations import translate

__all__ = [
    "LIMITS",
    "Lowered",
    "Permitted",
    "allows",
    "alone",
    "choice_of",
    "ids_in",
    "models_of",
    "permit",
    "permitted",
    "settings_of",
    "valid",
]

S = TypeVar("S", bound=Settings)

OFF = "“{skill}” is switched off in this channel. A moderator can switch it on."
FOR_MODERATORS = "“{skill}” is for moderators only in this channel."
FOR_SOME = "“{skill}” is for moderators, and for whom they have named, in this channel."

LIMITS: Literal["@limits"] = "@limits"  # what is set for no single skill is kept under this name, which none can have


class Permitted(Settings):
    """Whether a skill may be used here, and by whom: what every skill has beside its own settings."""

    enabled: bool = Field(True, description="Whether it can be used")
    who: Literal["everybody", "moderators"] = Field("everybody", description="Who may use it")
    besides: Annotated[str, PEOPLE] = Field(
        "", max_length=2000, description="Who else may use it where it is for moderators"
    )


class Lowered(Settings):
    """How much people may ask for here, and of which models.

    Moderators may lower what whoever runs the bot allows, not raise it, and choose among the models that they allow.
    """

    turns_per_minute: int | None = Field(None, ge=0, description="Questions of one person in a minute")
    turns_per_day: int | None = Field(None, ge=0, description="Questions of one person in a day")
    pictures_per_day: int | None = Field(None, ge=0, description="Pictures drawn for one person in a day")
    audio_minutes_per_day: int | None = Field(None, ge=0, description="Minutes listened to for one person in a day")
    community_turns_per_hour: int | None = Field(None, ge=0, description="Questions of the whole community in an hour")
    community_dollars_per_day: float | None = Field(
        None, ge=0, description="Dollars spent on models for the whole community in a day"
    )
    chat_model: str = Field("", max_length=200, description="Model that chats here, of those that are allowed")
    image_model: str = Field("", max_length=200, description="Model that draws here, of those that are allowed")
    speech_model: str = Field("", max_length=200, description="Model that listens here, of those that are allowed")
    voice_model: str = Field("", max_length=200, description="Model that reads aloud here, of those that are allowed")


def permit(skill: Skill[Any, Any], chosen: Mapping[str, Any], person: Person, channel: Channel) -> None:
    """Raise `UserError` when this person may not use the skill in this channel."""
    if allows(chosen, person, channel):
        return
    may = permitted(chosen)
    why = OFF if not may.enabled else FOR_SOME if ids_in(may.besides) else FOR_MODERATORS
    raise UserError(translate(why, person.locale).replace("{skill}", skill.name))


def allows(chosen: Mapping[str, Any], person: Person, channel: Channel) -> bool:
    """Whether somebody may use a skill, by all that was chosen for it. In a chat of their own nobody is a moderator."""
    if not chosen.get("enabled", True):
        return False
    if chosen.get("who") != "moderators" or person.operator or (person.moderator and not alone(channel)):
        return True
    return not ids_in(str(chosen.get("besides", ""))).isdisjoint((person.id, *person.roles))


def alone(channel: Channel) -> bool:
    """Whether this is a member's own chat with the bot, in which the community's settings hold."""
    return channel.kind == "direct" and bool(channel.tenant)


def ids_in(text: str) -> frozenset[str]:
    """The ids of people and roles in what was filled in for them."""
    return frozenset(text.replace(",", " ").split())


def permitted(chosen: Mapping[str, Any]) -> Permitted:
    """Who may use a skill, from all that was chosen for it."""
    return valid(Permitted, chosen)


def choice_of(
    person: Person,
    skill: Skill[Any, Any] | type[Settings] | Literal["@limits"] | None,
    chosen: Mapping[str, Any],
    allowed: Callable[[Role], Sequence[str]],
) -> dict[str, Any]:
    """What a moderator chose for a skill, for a platform or for `LIMITS`, checked. `allowed` are the models to choose
    from for a role.

    Raises `UserError` for whoever is none, and for a setting that cannot be so.
    """
    if not (person.moderator or person.operator):
        raise UserError("Only a moderator can change this.")
    if skill is None:
        raise UserError("There is no such skill here.")
    if skill == LIMITS:
        lowered = fill(Lowered, given=dict(chosen))
        for role, model in models_of(lowered.model_dump()).items():
            if model not in allowed(role):
                these = ", ".join(allowed(role)) or "none"
                raise UserError(f"“{role}_model” can be one of these: {these}. Empty means the usual one.")
        return lowered.model_dump(include=set(chosen))
    if isinstance(skill, type):
        return _spaced(skill, fill(skill, given=dict(chosen)).model_dump(include=set(chosen)))
    general = {name: value for name, value in chosen.items() if name in Permitted.model_fields}
    checked = {name: value for name, value in chosen.items() if name not in general}
    settings = fill(skill.settings_type, given=checked)
    values = settings.model_dump(include=set(checked))
    for name, value in values.items():
        if isinstance(value, str) and redact(value) != value:
            raise UserError(
                f"“{name}” holds something like a key or a password. Please leave it out: whoever talks to me could "
                "get it out of me."
            )
    return {**values, **_spaced(Permitted, fill(Permitted, given=general).model_dump(include=set(general)))}


def _spaced(kind: type[Settings], values: dict[str, Any]) -> dict[str, Any]:
    """The values with ids of people written in one way, however they were filled in."""
    of_people = {field.name for field in form_of(kind).fields if field.kind == "people"}
    return {name: " ".join(sorted(ids_in(each))) if name in of_people else each for name, each in values.items()}


def models_of(chosen: Mapping[str, Any]) -> dict[Role, str]:
    """The models that moderators chose, by role, from what is kept under `LIMITS`."""
    roles: tuple[Role, ...] = ("chat", "image", "speech", "voice")
    return {role: str(model) for role in roles if (model := chosen.get(f"{role}_model"))}


def settings_of(skill: Skill[Any, Any], chosen: Mapping[str, Any]) -> Settings:
    """The skill's settings here; a choice that a newer version of the skill no longer knows is left out."""
    return valid(skill.settings_type, chosen)


def valid(kind: type[S], chosen: Mapping[str, Any]) -> S:
    """These settings, without what they do not know or cannot be."""
    if not chosen:
        usual: S = _usual(kind)
        return usual
    known = {name: value for name, value in chosen.items() if name in kind.model_fields}
    try:
        return kind(**known)
    except ValidationError as error:
        wrong = {str(mistake["loc"][0]) for mistake in error.errors() if mistake["loc"]}
        return kind(**{name: value for name, value in known.items() if name not in wrong})


@functools.lru_cache(1000)
def _usual(kind: type[S]) -> S:
    """Settings of which nothing was chosen: asked for many times a turn, and the same each time."""
    return kind()
