// Commands: typing “/” lists what there is, and what is chosen asks for what it needs.

import { announce, find, icon, iconButton, make } from "./dom.js";
import { FormView } from "./forms.js";
import { strings } from "./strings.js";

// The list above the text box. `onpick(command)` is called for the one that is chosen, `ondismiss()` when none is.
export class CommandMenu {
  constructor({ text, onpick, ondismiss }) {
    Object.assign(this, { text, onpick, ondismiss, commands: [] });
    this.list = find("commands");
    this.found = [];
    this.at = 0;
    text.setAttribute("aria-autocomplete", "list");
    text.setAttribute("aria-controls", this.list.id);
    text.addEventListener("blur", () => this.close());
    this.list.onpointerdown = (event) => event.preventDefault(); // the text box keeps the focus
    this.list.onclick = (event) => this.#pick(event.target.closest("[role=option]")?.dataset.name);
  }

  get open() {
    return !this.list.hidden;
  }

  // Show what the text may be the beginning of.
  suggest(text) {
    const begun = text.match(/^\/([\w-]*)$/)?.[1]?.toLowerCase();
    const found = begun === undefined ? [] : this.commands.filter((each) => each.name.startsWith(begun));
    const names = (all) => all.map((each) => each.name).join();
    if (names(found) === names(this.found) && this.open) return;
    if (found.length && !this.open) announce(strings.commandsFound(found.length));
    this.found = found;
    this.at = 0;
    this.#draw();
  }

  close() {
    this.found = [];
    this.#draw();
  }

  // What a key means for the list; whether it meant anything.
  press(event) {
    if (!this.open) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      this.at = (this.at + step + this.found.length) % this.found.length;
      this.#draw();
    } else if ((event.key === "Enter" && !event.shiftKey) || event.key === "Tab") this.#pick(this.found[this.at].name);
    else if (event.key === "Escape") {
      this.close();
      this.ondismiss();
    }
    else return false;
    event.preventDefault();
    return true;
  }

  #pick(name) {
    const command = this.found.find((each) => each.name === name);
    if (!command) return;
    this.close();
    this.onpick(command);
  }

  #draw() {
    this.list.hidden = !this.found.length;
    this.list.replaceChildren(
      ...this.found.map((each, index) =>
        make(
          "li",
          { id: `command-${each.name}`, role: "option", "aria-selected": String(index === this.at), "data-name": each.name },
          make("strong", {}, `/${each.name}`),
          " ",
          make("span", {}, each.help),
        ),
      ),
    );
    const chosen = this.found[this.at];
    if (chosen) this.text.setAttribute("aria-activedescendant", `command-${chosen.name}`);
    else this.text.removeAttribute("aria-activedescendant");
    if (chosen) this.list.children[this.at].scrollIntoView({ block: "nearest" });
  }
}

// A command that was chosen: its name, and a field for everything it asks for but the words.
export function commandBar(chosen, onchange, ondrop) {
  const { command } = chosen;
  const view = new FormView(command.request, chosen.values, {
    without: [command.request.words],
    compact: true,
    onchange: () => {
      chosen.values = view.values;
      onchange();
    },
  });
  chosen.view = view;
  chosen.values = view.values;
  const bar = make(
    "div.command-bar",
    { role: "group", "aria-label": strings.commandAsked(command.name) },
    make("span.command-name", { title: command.help }, icon("command"), command.name),
    view.element,
    iconButton("close", strings.dropCommand(command.name), ondrop),
  );
  return bar;
}

// How a command reads once it is said: /draw size=wide a fox
export function spoken({ command, values }, text) {
  const { words, fields } = command.request;
  const written = (value) => (typeof value === "boolean" ? strings.yesNo(value) : value);
  const chosen = fields
    .filter(({ name, default: usual }) => name !== words && values[name] !== undefined && values[name] !== "" && values[name] !== usual)
    .map(({ name }) => `${name}=${written(values[name])}`);
  return [`/${command.name}`, ...chosen, text].filter(Boolean).join(" ");
}

export const wordsOf = (command) => command.request.fields.find((each) => each.name === command.request.words);
