// The list of conversations, which is a drawer on narrow screens.

import { find } from "./dom.js";

export class Drawer {
  constructor() {
    this.sidebar = find("sidebar");
    this.opener = find("open-drawer");
    this.narrow = matchMedia("(max-width: 48rem)");
    this.opener.onclick = () => this.#set(true);
    find("close-drawer").onclick = () => this.close();
    find("scrim").onclick = () => this.close();
    this.narrow.addEventListener("change", () => this.close());
    this.#set(false);
  }

  get open() {
    return this.sidebar.classList.contains("open");
  }

  close() {
    const wasOpen = this.open;
    this.#set(false);
    if (wasOpen) this.opener.focus();
  }

  // What is covered or put away is out of reach for the keyboard, too.
  #set(open) {
    this.sidebar.classList.toggle("open", open);
    this.sidebar.inert = this.narrow.matches && !open;
    find("main").inert = open;
    find("scrim").hidden = !open;
    this.opener.setAttribute("aria-expanded", String(open));
    if (open) find("close-drawer").focus();
  }
}
