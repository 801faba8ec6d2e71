// The messages of the room that is open.

import { below, copyButton, remark, showPressed } from "./actions.js";
import { find, icon, iconButton, make } from "./dom.js";
import { fileList, showFiles } from "./files.js";
import { MessageMenu } from "./menu.js";
import { excerpt, quoteLine } from "./quotes.js";
import { dayOf, strings, timeOf } from "./strings.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const NEAR = 96; // pixels from the end within which the page follows a growing answer

export class Messages {
  // `onpress(message, action, words)` presses a button below an answer, `onreply(message)` begins a reply, and
  // `onfind(id)` shows a message that may not be loaded, and `onuse(command, message)` calls a command on a message.
  constructor({ onpress, onreply, onfind, onuse }) {
    Object.assign(this, { onpress, onreply, onfind });
    this.menu = new MessageMenu({ onuse });
    this.list = find("messages");
    this.scroller = find("scroller");
    this.toEnd = find("to-end");
    this.shown = new Map(); // id → { message, article, body, blocks }
    this.typing = make("div.message.assistant.typing", { hidden: true }, avatar(), make("div.dots", {}, dot(), dot(), dot()));
    this.earlier = make("button.earlier.plain", { type: "button", hidden: true }, strings.earlier);
    this.following = true;
    this.top = 0;
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.toEnd.onclick = () => this.goToEnd(true);
    new ResizeObserver(() => this.#follow()).observe(this.list);
    new ResizeObserver(() => this.#follow()).observe(this.scroller);
    this.clear();
  }

  clear() {
    this.shown.clear();
    this.typing.hidden = true;
    this.earlier.hidden = true;
    this.list.replaceChildren(this.earlier, this.typing);
    this.following = true;
    this.toEnd.hidden = true;
  }

  // All of a room at once; what is there already and has not changed stays as it is.
  load(messages, more) {
    const ids = new Set(messages.map((message) => message.id));
    for (const id of this.shown.keys()) if (!ids.has(id)) this.remove(id);
    let last = null;
    for (const message of messages) {
      const known = this.shown.get(message.id);
      if (!known || !alike(known.message, message)) this.put(message);
      const { article } = this.shown.get(message.id);
      const inPlace = !last || last.compareDocumentPosition(article) & Node.DOCUMENT_POSITION_FOLLOWING;
      if (!inPlace) last.after(article);
      last = article;
    }
    this.earlier.hidden = !more;
    this.#days();
    this.goToEnd(false);
  }

  loadEarlier(messages, more) {
    const height = this.scroller.scrollHeight;
    const next = this.list.querySelector("article");
    for (const message of messages) this.put(message, next);
    this.earlier.hidden = !more;
    this.scroller.scrollTop += this.scroller.scrollHeight - height;
    this.#days();
  }

  put(message, before = this.typing) {
    const known = this.shown.get(message.id);
    const entry = this.#make(message, this.#above(known?.article ?? before));
    if (known) known.article.replaceWith(entry.article);
    else this.list.insertBefore(entry.article, before);
    this.shown.set(message.id, entry);
    this.#days();
  }

  // A change of a growing answer: its first `keep` blocks stay. False when it does not fit what is shown here.
  change(event) {
    const entry = this.shown.get(event.id);
    if (!entry || entry.blocks.length < event.keep) return false;
    const { message } = entry;
    message.running = event.running;
    message.footer = event.footer;
    for (const old of entry.blocks.splice(event.keep)) old.remove();
    entry.blocks.push(...event.blocks.map(block));
    entry.body.append(...entry.blocks.slice(event.keep));
    message.status = event.status;
    if (event.files) {
      message.files = event.files;
      const list = entry.article.querySelector(".files");
      if (list && event.files.length) showFiles(list, event.files, !event.running);
      else if (list) list.remove();
      else entry.status.after(fileList(event.files) ?? "");
    }
    if (!event.running) {
      message.text = event.text;
      message.buttons = event.buttons;
    }
    entry.anew = false;
    this.#finish(entry);
    return true;
  }

  // An answer that is to be given anew; it stays until there is something of the new one.
  anew(id, anew) {
    const entry = this.shown.get(id);
    if (!entry || (entry.anew === anew) || (!anew && !entry.anew)) return;
    entry.anew = anew;
    entry.focused ||= entry.article.contains(document.activeElement);
    entry.message.running = anew;
    this.#finish(entry);
  }

  pressed(id, buttons) {
    const entry = this.shown.get(id);
    if (!entry) return;
    entry.message.buttons = buttons;
    showPressed(entry.article, buttons);
  }

  remark(id, sentence) {
    const entry = this.shown.get(id);
    if (entry) remark(entry.article, sentence);
  }

  // Bring a message into view, and show which one it is; false when it is not loaded.
  show(id) {
    const entry = this.shown.get(id);
    if (!entry) return false;
    this.following = false;
    entry.article.scrollIntoView({ block: "center", behavior: calm.matches ? "instant" : "smooth" });
    for (const found of this.list.querySelectorAll(".found")) found.classList.remove("found");
    requestAnimationFrame(() => entry.article.classList.add("found"));
    return true;
  }

  remove(id) {
    this.shown.get(id)?.article.remove();
    this.shown.delete(id);
    this.#days();
  }

  setTyping(typing) {
    this.typing.hidden = !typing;
    if (typing) this.#follow();
  }

  get all() {
    return [...this.shown.values()].map((entry) => entry.message);
  }

  // In the order of the page, which earlier messages came into last.
  get ordered() {
    return [...this.list.querySelectorAll("article")].map((article) => this.shown.get(article.dataset.id).message);
  }

  get running() {
    return this.ordered.findLast((message) => message.running);
  }

  goToEnd(smooth) {
    this.following = true;
    this.toEnd.hidden = true;
    const behavior = smooth && !calm.matches ? "smooth" : "instant";
    this.scroller.scrollTo({ top: this.scroller.scrollHeight, behavior });
  }

  #follow() {
    if (!this.shown.size) return;
    if (this.following) this.scroller.scrollTop = this.scroller.scrollHeight;
    else this.#scrolled();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    // Only a person scrolls up; that content has grown meanwhile is no reason to stay behind.
    if (scrollHeight - scrollTop - clientHeight < NEAR) this.following = true;
    else if (scrollTop < this.top - 1) this.following = false;
    this.top = scrollTop;
    this.toEnd.hidden = this.following || !this.shown.size;
  }

  // The message above a place in the list.
  #above(place) {
    const articles = [...this.list.querySelectorAll("article")];
    const above = articles.findLast((each) => each.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING);
    return above && this.shown.get(above.dataset.id).message;
  }

  #make(message, above) {
    const who = message.role === "user" ? strings.you : strings.name;
    const article = make(`article.message.${message.role}`, {
      "aria-label": strings.saidAt(who, timeOf(message.at)),
      "data-id": message.id,
    });
    const body = make("div.body", { dir: "auto" });
    const status = make("p.doing", { dir: "auto", hidden: true });
    const entry = { message, article, body, status, blocks: [], anew: false };
    const content = make("div.content", {}, body);
    if (message.role === "user") {
      body.append(...words(message.text));
      body.hidden = !message.text;
      if (message.files.length) content.prepend(fileList(message.files));
      if (message.replies) content.prepend(quoteLine(message.replies, () => this.onfind(message.replies.id)));
      const replying = iconButton("reply", strings.reply, () => this.onreply(message));
      content.append(make("div.tail", {}, when(message), this.#more(message), replying));
      article.append(content);
      return entry;
    }
    content.append(status);
    entry.blocks = (message.blocks || []).map(block);
    body.append(...entry.blocks);
    content.prepend(this.#quote(message, above) ?? "");
    content.append(fileList(message.files) ?? "");
    article.append(avatar(), content);
    this.#finish(entry);
    return entry;
  }

  // An answer that does not stand right below its question says which one it answers.
  #quote(message, above) {
    const question = this.shown.get(message.answers)?.message;
    if (!question || above === question || above?.answers === message.answers) return null;
    return quoteLine(excerpt(question), () => this.onfind(question.id));
  }

  #more(message) {
    if (!this.menu.of(message).length) return null;
    const button = iconButton("more", strings.more, () => this.menu.open(button, message));
    button.setAttribute("aria-haspopup", "menu");
    return button;
  }

  #finish(entry) {
    const { article, message } = entry;
    article.classList.toggle("running", message.running);
    article.classList.toggle("anew", entry.anew);
    article.setAttribute("aria-busy", String(message.running));
    entry.status.textContent = message.running ? (message.status ?? "") : "";
    entry.status.hidden = !entry.status.textContent;
    if (entry.anew) return; // it keeps its place until there is something new
    article.querySelector(".below")?.remove();
    if (message.running) return;
    const act = {
      onpress: (action, words) => this.onpress(message, action, words),
      onreply: () => this.onreply(message),
      more: this.#more(message),
    };
    article.querySelector(".content").append(below(message, when(message), act));
    // Whoever pressed a button that went for a while finds it again.
    if (entry.focused && document.activeElement === document.body)
      article.querySelector("[data-action=regenerate]")?.focus({ preventScroll: true });
    entry.focused = false;
  }

  // A line wherever a new day begins.
  #days() {
    for (const line of this.list.querySelectorAll(".day")) line.remove();
    let last = strings.today;
    for (const article of this.list.querySelectorAll("article")) {
      const name = dayOf(this.shown.get(article.dataset.id).message.at);
      if (name !== last) article.before(make("p.day", {}, make("span", {}, name)));
      last = name;
    }
  }
}

const alike = (one, other) =>
  !one.running &&
  !other.running &&
  one.text === other.text &&
  one.footer === other.footer &&
  one.files.length === other.files.length &&
  JSON.stringify(one.buttons) === JSON.stringify(other.buttons);

const when = (message) => make("time.when", { dateTime: message.at }, timeOf(message.at));

// What a person wrote; a command at its beginning stands out.
function words(text) {
  const command = text.match(/^\/[\w-]+(?=\s|$)/)?.[0];
  return command ? [make("span.command", {}, command), text.slice(command.length)] : [text];
}

const dot = () => make("span.dot");

function avatar() {
  return make("div.avatar", { "aria-hidden": "true" }, icon("mark"));
}

// The server has made this HTML from Markdown: one element, nothing in it that runs or loads.
function block(written) {
  const template = document.createElement("template");
  template.innerHTML = written;
  for (const pre of template.content.querySelectorAll("pre")) frame(pre);
  for (const link of template.content.querySelectorAll("a")) inPlace(link);
  for (const table of template.content.querySelectorAll(".table")) reachable(table, strings.tableBlock);
  return template.content.firstElementChild;
}

// What leads to a message of this page needs no window of its own.
function inPlace(link) {
  if (!link.href.startsWith(`${location.origin}/#/`)) return;
  if (link.textContent === link.href) link.textContent = strings.thatMessage;
  link.removeAttribute("target");
  delete link.dataset.host;
}

// Code gets its language, a button to copy it, and a place in the tab order.
function frame(pre) {
  const { language } = pre.dataset;
  const copying = copyButton(strings.copyCode, () => pre.textContent);
  const figure = make("figure.code", {}, make("figcaption", {}, make("span", {}, language || strings.code), copying));
  reachable(pre, language ? `${strings.codeBlock}: ${language}` : strings.codeBlock);
  pre.replaceWith(figure);
  figure.append(pre);
}

// What scrolls sideways has to be within reach of the keyboard.
function reachable(element, label) {
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", label);
}
