// The list of conversations.

import { find, iconButton, make } from "./dom.js";
import { ageOf, strings } from "./strings.js";

export class Rooms {
  // `onrename(id, title)` and `onremove(id)` are called when the person asks for it.
  constructor({ onrename, onremove }) {
    this.list = find("rooms");
    this.rooms = new Map();
    this.unread = new Set();
    this.current = "";
    this.onrename = onrename;
    this.onremove = onremove;
  }

  load(rooms) {
    this.rooms = new Map(rooms.map((room) => [room.id, room]));
    this.draw();
  }

  put(room) {
    this.rooms.set(room.id, { ...this.rooms.get(room.id), ...room });
    this.draw();
  }

  remove(id) {
    this.rooms.delete(id);
    this.unread.delete(id);
    this.draw();
  }

  // Something was said in a room now.
  touch(id, at) {
    const room = this.rooms.get(id);
    if (room) this.put({ ...room, at });
  }

  mark(id) {
    this.unread.add(id);
    this.draw();
  }

  select(id) {
    this.current = id;
    this.unread.delete(id);
    this.draw();
  }

  title(id) {
    return this.rooms.get(id)?.title ?? strings.untitled;
  }

  // The one used last.
  get latest() {
    return this.#sorted()[0];
  }

  #sorted() {
    return [...this.rooms.values()].sort((one, other) => other.at.localeCompare(one.at));
  }

  draw() {
    if (this.list.querySelector("input")) {
      this.stale = true; // a name is being written just now
      return;
    }
    const focused = document.activeElement?.closest?.("[data-room]")?.dataset.room;
    const rooms = this.#sorted();
    const groups = new Map();
    for (const room of rooms) {
      const age = ageOf(room.at);
      groups.set(age, [...(groups.get(age) ?? []), room]);
    }
    this.list.replaceChildren(
      ...[...groups].map(([age, members]) =>
        make(
          "section.age",
          { "aria-label": age },
          make("h2", {}, age),
          make("ul", {}, ...members.map((room) => this.#row(room))),
        ),
      ),
      rooms.length ? "" : make("p.none", {}, strings.noRooms),
    );
    if (focused) this.list.querySelector(`[data-room="${focused}"] a`)?.focus();
  }

  #row(room) {
    const unread = this.unread.has(room.id);
    const link = make("a", { href: `#/${room.id}`, dir: "auto" }, room.title);
    if (room.id === this.current) link.setAttribute("aria-current", "page");
    if (unread) link.append(make("span.unread", {}, make("span.unseen", {}, ` (${strings.unread})`)));
    const row = make(
      "li.room",
      { "data-room": room.id },
      link,
      iconButton("rename", strings.rename(room.title), () => this.#edit(room, row)),
      iconButton("delete", strings.remove(room.title), () => this.onremove(room.id)),
    );
    return row;
  }

  #edit(room, row) {
    const field = make("input", { type: "text", value: room.title, maxLength: 80, "aria-label": strings.renameField });
    const end = (keep) => {
      field.onblur = null;
      const title = field.value.trim();
      field.remove();
      this.stale = false;
      if (keep && title && title !== room.title) {
        this.put({ ...room, title });
        this.onrename(room.id, title);
      } else {
        this.draw();
      }
      this.list.querySelector(`[data-room="${room.id}"] a`)?.focus();
    };
    field.onkeydown = (event) => {
      if (event.isComposing) return;
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") {
        event.stopPropagation();
        end(false);
      }
    };
    field.onblur = () => end(true);
    row.replaceChildren(field);
    field.focus();
    field.select();
  }
}
