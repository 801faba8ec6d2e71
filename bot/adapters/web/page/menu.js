// What can be done with a message: the commands that say they work on one.

import { find, make } from "./dom.js";
import { strings } from "./strings.js";

export class MessageMenu {
  // `onuse(command, message)` is called for the one that is chosen.
  constructor({ onuse }) {
    this.commands = [];
    this.onuse = onuse;
    this.menu = find("message-menu");
    this.menu.onkeydown = (event) => this.#move(event);
  }

  // The commands that work on this message.
  of(message) {
    const kinds = message.files.map((file) => file.type.split("/")[0]);
    return this.commands.filter(
      ({ menu, takes }) => menu && (takes.length ? takes.some((kind) => kinds.includes(kind)) : message.text),
    );
  }

  open(button, message) {
    this.menu.replaceChildren(
      ...this.of(message).map((command) =>
        make(
          "button",
          {
            type: "button",
            role: "menuitem",
            tabIndex: -1,
            title: command.help,
            onclick: () => {
              this.menu.hidePopover();
              this.onuse(command, message);
            },
          },
          command.menu,
        ),
      ),
    );
    this.menu.setAttribute("aria-label", strings.more);
    this.menu.showPopover();
    const at = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.menu;
    const below = at.bottom + height + 8 < innerHeight;
    this.menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    this.menu.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
    this.menu.firstElementChild.focus();
  }

  #move(event) {
    const items = [...this.menu.children];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) {
      if (event.key === "Tab") this.menu.hidePopover();
      return;
    }
    event.preventDefault();
    items.at(to % items.length).focus();
  }
}
