"""What people do with a bot beside writing: commands, menus, buttons, lists, dialogs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.discord.gateway import EVERY_INTENT
from tests.fakes.discord.registry import ATTACHMENT, SUBCOMMAND, check_given
from tests.fakes.discord.stage import Stage
from tests.fakes.discord.world import File, Guild, Interaction, Json, Post, Room, User
from tests.fakes.discord.writing import message_payload


class Doing(Stage):
    """Each of these returns the interaction that was told to the bot."""

    def known(self, name: str, kind: int = 1, guild: Guild | None = None) -> Json:
        """A registered command; an AssertionError when there is none of this name."""
        every = [*self.commands, *(self.guild_commands.get(guild.id, []) if guild else [])]
        found = [each for each in every if each["name"] == name and each.get("type", 1) == kind]
        assert found, f"there is no command {name!r} but {[each['name'] for each in every]}"
        return found[0]

    async def command(self, room: Room, person: User, name: str, *, locale: str = "en-US", **given: Any) -> Interaction:
        """Somebody calls `/name`, or `/name sub` for a subcommand. An attachment is (file name, content type, bytes);
        where an option has `-` in its name, write `_`.
        """
        name, _, sub = name.partition(" ")
        command = self.known(name, guild=room.guild)
        options: list[Json] = command.get("options") or []
        if sub:
            options = next(each for each in options if each["name"] == sub).get("options") or []
        attachments: Json = {}
        filled = self._filled(options, given, attachments)
        data: Json = {"id": command["id"], "name": name, "type": 1}
        data["options"] = [{"name": sub, "type": SUBCOMMAND, "options": filled}] if sub else filled
        if attachments:
            data["resolved"] = {"attachments": attachments}
        return await self._do(Interaction(room, person, 2, data, locale=locale))

    def _filled(self, options: list[Json], given: Json, attachments: Json) -> list[Json]:
        given = {key.replace("_", "-"): value for key, value in given.items()}
        known = {option["name"]: option for option in options}
        assert given.keys() <= known.keys(), f"there are only the options {sorted(known)}"
        missing = [option["name"] for option in options if option.get("required") and option["name"] not in given]
        assert not missing, f"Discord would not send it without {missing}"
        filled = []
        for key, value in given.items():
            check_given(known[key], value)
            if known[key]["type"] == ATTACHMENT:
                file = File(*value)
                self.loose_files[file.id] = file
                attachments[file.id] = self._loose_payload(file)
                value = file.id
            filled.append({"name": key, "type": known[key]["type"], "value": value})
        return filled

    def _loose_payload(self, file: File) -> Json:
        link = self.links.to_loose(file)
        shown: Json = {"id": file.id, "filename": file.filename, "size": len(file.data), "url": link, "proxy_url": link}
        return shown | {"content_type": file.content_type, "ephemeral": True}

    async def menu(self, post: Post, person: User, name: str, *, locale: str = "en-US") -> Interaction:
        """Somebody chooses an entry from the menu of a message. The bot is shown all of that message."""
        command = self.known(name, 3, post.room.guild)
        messages = {post.id: message_payload(post, self.links)}
        data = {"id": command["id"], "name": name, "type": 3, "target_id": post.id, "resolved": {"messages": messages}}
        return await self._do(Interaction(post.room, person, 2, data, locale=locale))

    async def complete(self, room: Room, person: User, name: str, option: str, typed: str) -> Interaction:
        """Somebody types in an option that completes itself."""
        name, _, sub = name.partition(" ")
        command = self.known(name, guild=room.guild)
        focused = [{"name": option, "type": 3, "value": typed, "focused": True}]
        options: list[Json] = [{"name": sub, "type": SUBCOMMAND, "options": focused}] if sub else focused
        data = {"id": command["id"], "name": name, "type": 1, "options": options}
        return await self._do(Interaction(room, person, 4, data))

    async def press(self, post: Post, person: User, label: str, *, locale: str = "en-US") -> Interaction:
        """Somebody presses the button with this label below a message of the bot."""
        assert post.seen_by in (None, person), "nobody else sees this message"
        buttons = {one.get("label"): one for row in post.components for one in row["components"] if one["type"] == 2}
        assert label in buttons, f"there is no button {label!r} but {sorted(map(str, buttons))}"
        data = {"component_type": 2, "custom_id": buttons[label]["custom_id"], "id": 2}
        return await self._do(Interaction(post.room, person, 3, data, post, locale))

    async def choose(self, post: Post, person: User, placeholder: str, value: str) -> Interaction:
        """Somebody chooses from a list below a message of the bot."""
        lists = {
            one.get("placeholder"): one for row in post.components for one in row["components"] if one["type"] == 3
        }
        assert placeholder in lists, f"there is no list {placeholder!r} but {sorted(map(str, lists))}"
        chosen = lists[placeholder]
        assert value in [option["value"] for option in chosen["options"]], "that is not among the options"
        data = {"component_type": 3, "custom_id": chosen["custom_id"], "id": 2, "values": [value]}
        return await self._do(Interaction(post.room, person, 3, data, post))

    async def submit(self, opened: Interaction, **filled: str | Sequence[str]) -> Interaction:
        """Somebody fills in the dialog that the bot answered with, and sends it. What is not given stays as it was."""
        assert opened.response is not None
        assert opened.response["type"] == 9, "the bot answered with something else than a dialog"
        modal = opened.response["data"]
        inputs = [label["component"] for label in modal["components"]]
        assert filled.keys() <= {one["custom_id"] for one in inputs}, "there is no such input"
        components: list[Json] = []
        for one in inputs:
            value = filled.get(one["custom_id"])
            shown: Json = {"type": one["type"], "id": 2, "custom_id": one["custom_id"]}
            if one["type"] == 4:
                text = one.get("value", "") if value is None else value
                assert isinstance(text, str)
                assert len(text) <= one.get("max_length", 4000), "Discord does not take so long a text"
                assert text or not one.get("required", True), "Discord does not send it without this"
                shown["value"] = text
            elif one["type"] == 3:
                chosen = [option["value"] for option in one["options"] if option.get("default")]
                shown["values"] = chosen if value is None else [value]
                assert set(shown["values"]) <= {option["value"] for option in one["options"]}
            else:
                kept = [default["id"] for default in one.get("default_values") or ()]
                shown["values"] = kept if value is None else list(value)
            components.append({"type": 18, "id": 1, "component": shown})
        data = {"custom_id": modal["custom_id"], "components": components}
        return await self._do(Interaction(opened.room, opened.person, 5, data, opened.post, opened.locale))

    def age(self, interaction: Interaction, seconds: float) -> None:
        """Let an interaction be older than it is."""
        interaction.began -= seconds

    def whispers(self, person: User) -> list[Post]:
        """What only this person sees."""
        shown = {id(post): post for interaction in self.interactions.values() for post in interaction.posts.values()}
        return [post for post in shown.values() if post.seen_by is person and not post.deleted]

    async def _do(self, interaction: Interaction) -> Interaction:
        self.interactions[interaction.id] = interaction
        await self.gateway.publish(
            "INTERACTION_CREATE",
            EVERY_INTENT,
            interaction.room.guild,
            lambda _: self.interaction_payload(interaction),
        )
        return interaction
