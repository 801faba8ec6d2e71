"""`Settings` and `Request` → forms that a person can fill in, on whatever surface; and words → a filled form."""

import functools
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from bot.errors import UserError
from bot.translations import translate

__all__ = ["PEOPLE", "Form", "FormField", "FormRefused", "fill", "form_of"]

M = TypeVar("M", bound=BaseModel)
PEOPLE = object()  # the mark of a str field that holds ids of people and roles: `Annotated[str, PEOPLE]`
_KINDS: dict[type, Literal["bool", "int", "float", "str"]] = {bool: "bool", int: "int", float: "float", str: "str"}


class FormRefused(Exception):
    """A field that no person could fill in; the text says which, and what it may be."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field: what it is called, what it takes, and within which bounds.

    One of the kind `people` takes the ids of people, and of roles where there are such, with blanks between them.
    """

    name: str
    kind: Literal["bool", "int", "float", "str", "choice", "people"]
    description: str
    required: bool
    default: Any = None
    choices: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """All fields of a `Settings` or `Request`, in the order they were written."""

    fields: tuple[FormField, ...]

    @property
    def words(self) -> FormField | None:
        """The field that takes a person's words: the first str field."""
        return next((field for field in self.fields if field.kind == "str"), None)


def form_of(model: type[BaseModel]) -> Form:
    """The form of a pydantic model. Raises `FormRefused` for a field that no person could fill in."""
    hints = typing.get_type_hints(model)
    return Form(tuple(_field(model.__name__, name, hints[name], info) for name, info in model.model_fields.items()))


def _field(owner: str, name: str, annotation: Any, info: FieldInfo) -> FormField:
    if not info.description:
        raise FormRefused(f'{owner}.{name} has no description: write Field(..., description="what it is").')
    required = info.is_required()
    default = None if required else info.get_default(call_default_factory=True, validated_data={})
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [each for each in get_args(annotation) if each is not type(None)]
        annotation = rest[0] if len(rest) == 1 else annotation
    if get_origin(annotation) is Literal:
        return FormField(name, "choice", info.description, required, default, get_args(annotation))
    kind = "people" if PEOPLE in info.metadata else _KINDS.get(annotation)
    if kind is None:
        raise FormRefused(
            f"{owner}.{name} is a {annotation}, which no form can ask for: use bool, int, float, str or Literal."
        )
    least: Any = None
    most: Any = None
    for mark in info.metadata:
        if isinstance(mark, Ge):
            least = mark.ge
        elif isinstance(mark, Gt):
            least = mark.gt
        elif isinstance(mark, Le):
            most = mark.le
        elif isinstance(mark, Lt):
            most = mark.lt
        elif isinstance(mark, MinLen):
            least = mark.min_length
        elif isinstance(mark, MaxLen):
            most = mark.max_length
    return FormField(name, kind, info.description, required, default, (), least, most)


def fill(model: type[M], words: str = "", given: dict[str, Any] | None = None, locale: str = "") -> M:
    """A filled form from what a person said.

    `given` holds the fields of a command's options. In words, `size=tall` sets a field; the rest goes to the first
    str field, or, where there is none, to the other fields in order: "roll 3". Raises `UserError` with the remedy,
    in the language of `locale`.
    """
    form = _form_of(model)
    answers: dict[str, Any] = dict(given or {})
    rest: list[str] = []
    known = {field.name for field in form.fields if field is not form.words}
    for word in words.split(" "):
        name, equals, value = word.partition("=")
        if equals and name.lower() in known and value:
            answers.setdefault(name.lower(), value)
        else:
            rest.append(word)
    remaining = " ".join(rest).strip()
    if form.words is not None:
        if remaining:
            answers.setdefault(form.words.name, remaining)
    else:
        free = [field.name for field in form.fields if field.name not in answers]
        answers.update(zip(free, remaining.split(), strict=False))
    try:
        return model(**answers)
    except ValidationError as error:
        raise UserError(
            "\n".join(_sentence(form, mistake, locale) for mistake in error.errors(include_url=False))
        ) from None


_form_of = functools.lru_cache(1000)(form_of)  # for its names and bounds: a default may be another one each time


_BETWEEN_WHOLE = "“{name}” has to be a whole number from {least} to {most}."
_BETWEEN = "“{name}” has to be a number from {least} to {most}."


def _sentence(form: Form, mistake: Any, locale: str) -> str:
    name = str(mistake["loc"][0]) if mistake["loc"] else ""
    field = next((each for each in form.fields if each.name == name), None)
    if field is None:
        return _said("There is no option “{name}” here.", locale, name=name)
    if mistake["type"] == "missing":
        description = translate(field.description, locale)
        return _said("Please say what “{name}” should be: {description}.", locale, name=name, description=description)
    if field.kind == "choice":
        return _said("“{name}” can be {choices}.", locale, name=name, choices=", ".join(map(str, field.choices)))
    if field.kind in ("int", "float"):
        if field.least is not None and field.most is not None:
            between = _BETWEEN_WHOLE if field.kind == "int" else _BETWEEN
            return _said(between, locale, name=name, least=f"{field.least:g}", most=f"{field.most:g}")
        whole = "a whole number" if field.kind == "int" else "a number"
        low = f" from {field.least:g}" if field.least is not None else ""
        high = f" to {field.most:g}" if field.most is not None else ""
        return f"“{name}” has to be {whole}{low}{high}."
    if field.kind == "bool":
        return _said("“{name}” can be yes or no.", locale, name=name)
    return f"“{name}”: {mistake['msg']}."


def _said(sentence: str, locale: str, **what: str) -> str:
    said = translate(sentence, locale)
    for name, value in what.items():  # not `format`: what is put in may hold braces, and a translation be wrong
        said = said.replace(f"{{{name}}}", value)
    return said
