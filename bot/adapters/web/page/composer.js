// Writing a message: words, files, a voice note. What could not be sent stays, with the reason and another try.

import * as api from "./api.js";
import { CommandMenu, commandBar, spoken, wordsOf } from "./commands.js";
import { announce, find, icon, iconButton, make } from "./dom.js";
import { watchDrops } from "./drops.js";
import { isPicture, isSound } from "./files.js";
import { excerpt, thumbnail, words } from "./quotes.js";
import { Recorder } from "./recorder.js";
import { sizeOf, strings } from "./strings.js";

const TALLEST = 240; // pixels the text box grows to before it scrolls

export class Composer {
  // `onsend(message)` shows it at once, `onsent(message)` says that it is safe, `onunsent(id)` takes it back.
  constructor({ target, onsend, onsent, onunsent, onrecording }) {
    Object.assign(this, { target, onsend, onsent, onunsent });
    this.limits = { files: 4, file_bytes: 25 * 1024 * 1024, characters: 32_000 };
    this.drafts = new Map(); // room → { text, files, replies, chosen, id }
    this.place = "";
    this.busy = false;
    this.text = find("text");
    this.form = find("composer");
    this.chips = find("chips");
    this.problem = find("problem");
    this.input = find("files");
    this.menu = new CommandMenu({ text: this.text, onpick: (command) => this.command(command), ondismiss: () => this.text.value === "/" && this.fill("") });
    this.recorder = new Recorder({
      onproblem: (sentence) => this.complain(sentence),
      onstate: (recording) => {
        find("writing").hidden = recording;
        onrecording(recording);
        if (!recording) this.focus();
      },
    });

    this.form.onsubmit = (event) => {
      event.preventDefault();
      this.submit();
    };
    this.text.onkeydown = (event) => {
      if (!event.isComposing && this.menu.press(event)) return;
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.submit();
    };
    this.text.oninput = () => {
      this.draft.text = this.text.value;
      this.draft.id = "";
      keep(this.place, this.text.value);
      this.menu.suggest(this.draft.chosen ? "" : this.text.value);
      this.#fit();
    };
    find("slash").onclick = () => {
      if (this.draft.chosen) this.putBack();
      this.fill("/");
      this.focus();
      this.menu.suggest("/");
    };
    find("attach").onclick = () => this.choose();
    find("record").onclick = () => this.record();
    this.input.onchange = () => {
      this.attach([...this.input.files]);
      this.input.value = "";
    };
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length || event.target.closest?.("dialog")) return;
      event.preventDefault();
      this.attach(files.map(named));
    });
    watchDrops({ ondrop: (files) => this.attach(files), ontrouble: (sentence) => this.complain(sentence) });
  }

  get draft() {
    if (!this.drafts.has(this.place)) this.drafts.set(this.place, { text: kept(this.place), files: [], replies: null, chosen: null, id: "" });
    return this.drafts.get(this.place);
  }

  // Whether nothing has been written, attached or spoken here yet.
  get untouched() {
    return !this.busy && !this.recorder.active && !this.draft.text && !this.draft.files.length;
  }

  // Each conversation has a draft of its own.
  open(place) {
    if (place !== this.place) {
      this.problem.hidden = true;
      if (this.recorder.active) this.recorder.finish();
    }
    this.place = place;
    this.#draw();
  }

  // The conversation has got a place of its own: what is being written moves there with it.
  move(place) {
    keep(this.place, "");
    keep(place, this.draft.text);
    this.drafts.set(place, this.draft);
    this.drafts.delete(this.place);
    this.place = place;
  }

  focus() {
    this.text.focus({ preventScroll: true });
  }

  choose(accept = "") {
    this.input.accept = accept;
    this.input.click();
  }

  fill(text) {
    this.draft.text = text;
    this.#draw();
  }

  // Write in reply to a message.
  reply(message) {
    this.draft.replies = excerpt(message);
    this.draft.id = "";
    this.problem.hidden = true;
    this.#draw();
    this.focus();
    announce(words(this.draft.replies));
  }

  // What there is to call.
  set commands(commands) {
    this.menu.commands = commands;
    find("slash").hidden = !commands.length;
  }

  // Write what a command asks for.
  command(command) {
    Object.assign(this.draft, { chosen: { command, values: {} }, text: "", id: "" });
    keep(this.place, "");
    this.problem.hidden = true;
    this.#draw();
    if (wordsOf(command)) this.focus();
    else find("command").querySelector("input, select, button")?.focus();
    announce(`/${command.name}: ${command.help}`);
  }

  // Take back the last thing that was chosen for the message; false when there was nothing.
  putBack() {
    const { draft } = this;
    if (draft.chosen) draft.chosen = null;
    else if (draft.replies) draft.replies = null;
    else return false;
    draft.id = "";
    this.#draw();
    this.focus();
    return true;
  }

  attach(files) {
    const { draft, limits } = this;
    this.problem.hidden = true;
    for (const file of files) {
      if (draft.files.length >= limits.files) {
        this.complain(strings.tooMany(limits.files));
        break;
      }
      if (file.size > limits.file_bytes) this.complain(strings.tooLarge(file.name, sizeOf(limits.file_bytes)));
      else if (!file.size) this.complain(strings.emptyFile(file.name));
      else draft.files.push({ file, address: isPicture(file.type) ? URL.createObjectURL(file) : "" });
    }
    draft.id = "";
    this.#draw();
    this.focus();
  }

  async record() {
    this.problem.hidden = true;
    const { draft } = this;
    const note = await this.recorder.record();
    if (!note) return;
    if (draft === this.draft) {
      this.attach([note]);
      this.submit();
    } else {
      draft.files.push({ file: note, address: "" }); // it waits where it was spoken
    }
  }

  async submit() {
    const { draft, place } = this;
    const text = draft.text.trim();
    const { files, replies, chosen } = draft;
    if (this.busy || (!text && !files.length && !chosen)) return;
    if (chosen && !chosen.view.check()) return;
    if (chosen) chosen.values = chosen.view.values;
    if (chosen && !text && wordsOf(chosen.command)?.required) {
      this.complain(strings.fieldNeeded(wordsOf(chosen.command).description));
      return;
    }
    if ([...text].length > this.limits.characters) {
      this.complain(strings.tooLong(this.limits.characters));
      return;
    }
    // Trying the same again under the same id cannot make two of it.
    draft.id ||= newId();
    const { id } = draft;
    Object.assign(draft, { text: "", files: [], replies: null, chosen: null, id: "" });
    keep(place, "");
    try {
      await this.#send({ id, text, files, replies, chosen });
      for (const { address } of files) if (address) URL.revokeObjectURL(address);
    } catch (trouble) {
      const since = draft.text.trim();
      Object.assign(draft, {
        text: [text, since].filter(Boolean).join("\n"),
        files: [...files, ...draft.files],
        replies: draft.replies ?? replies,
        chosen: draft.chosen ?? chosen,
        id: since || draft.files.length ? "" : id,
      });
      keep(place, draft.text);
      this.#draw();
      this.complain(trouble.message, trouble.status !== 413 && trouble.status !== 401);
    }
  }

  // Call a command on a message, as it is; what is being written stays.
  async use(command, message) {
    if (this.busy) return;
    try {
      await this.#send({ id: newId(), text: "", files: [], replies: excerpt(message), chosen: { command, values: {} } });
    } catch (trouble) {
      this.complain(trouble.message);
    }
  }

  // Show a message at once, and send it. Throws when it could not be sent; then it is not shown any more.
  async #send({ id, text, files, replies, chosen }) {
    const { room, isNew } = this.target();
    const form = new FormData();
    form.append("id", id);
    form.append("text", text);
    if (isNew) form.append("new", "1");
    if (chosen) {
      form.append("skill", chosen.command.name);
      form.append("request", JSON.stringify(chosen.values));
    }
    if (replies) form.append("reply", replies.id);
    for (const { file } of files) form.append("file", file, file.name);
    this.busy = true;
    this.problem.hidden = true;
    this.#draw();
    const said = chosen ? spoken(chosen, text) : text;
    this.onsend(room, { id, role: "user", text: said, files: [], replies, at: new Date().toISOString() });
    try {
      const message = await api.say(room, form, (part) => files.length && this.#progress(part));
      this.busy = false;
      this.#draw();
      this.onsent(room, message);
    } catch (trouble) {
      this.busy = false;
      this.onunsent(room, id);
      this.#draw();
      throw trouble;
    }
  }

  // A sentence above the text box; `again` offers another try.
  complain(sentence, again = false) {
    this.problem.replaceChildren(
      make("p", { dir: "auto" }, sentence),
      again ? make("button.plain", { type: "button", onclick: () => this.submit() }, strings.retry) : "",
      iconButton("close", strings.dismiss, () => {
        this.problem.hidden = true;
        this.focus();
      }),
    );
    this.problem.hidden = false;
  }

  #progress(part) {
    this.chips.hidden = false;
    this.chips.replaceChildren(make("li.progress", {}, strings.sending(Math.round(part * 100))));
  }

  #draw() {
    const { draft } = this;
    if (this.text.value !== draft.text) this.text.value = draft.text;
    this.menu.close();
    this.#drawCommand();
    this.#drawReply();
    this.chips.hidden = !draft.files.length;
    this.chips.replaceChildren(...draft.files.map((each) => this.#chip(each)));
    this.form.classList.toggle("busy", this.busy);
    this.#fit();
  }

  #drawCommand() {
    const { chosen } = this.draft;
    const place = find("command");
    place.hidden = !chosen;
    place.replaceChildren(chosen ? commandBar(chosen, () => (this.draft.id = ""), () => this.putBack()) : "");
    const words = chosen && wordsOf(chosen.command);
    this.text.hidden = Boolean(chosen) && !words;
    this.text.placeholder = words ? words.description : strings.placeholder;
  }

  #drawReply() {
    const { replies } = this.draft;
    const line = find("replying");
    line.hidden = !replies;
    if (replies)
      line.replaceChildren(
        icon("reply"),
        thumbnail(replies) ?? "",
        make("p", { dir: "auto" }, words(replies)),
        iconButton("close", strings.unreply, () => this.putBack()),
      );
    this.text.setAttribute("aria-description", replies ? words(replies) : "");
  }

  #chip(attached) {
    const { file, address } = attached;
    const remove = iconButton("close", strings.detach(file.name), () => {
      this.draft.files = this.draft.files.filter((each) => each !== attached);
      this.draft.id = "";
      if (address) URL.revokeObjectURL(address);
      this.problem.hidden = true;
      this.#draw();
      this.focus();
    });
    return make(
      "li.chip",
      {},
      address ? make("img", { src: address, alt: "" }) : icon(isSound(file.type) ? "microphone" : "file"),
      make("span.chip-name", { dir: "auto", title: file.name }, file.name),
      make("span.chip-size", {}, sizeOf(file.size)),
      remove,
    );
  }

  #fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight, TALLEST)}px`;
    this.text.style.overflowY = this.text.scrollHeight > TALLEST ? "auto" : "hidden";
    find("send").disabled = this.busy || !(this.draft.text.trim() || this.draft.files.length || this.draft.chosen);
  }
}

// What is pasted is always called image.png; several need names of their own.
function named(file, index) {
  return index && file.name ? new File([file], file.name.replace(/(\.\w+)?$/, `-${index + 1}$1`), { type: file.type }) : file;
}

const kept = (place) => sessionStorage.getItem(`draft:${place}`) ?? "";

function keep(place, text) {
  if (text) sessionStorage.setItem(`draft:${place}`, text);
  else sessionStorage.removeItem(`draft:${place}`);
}

// crypto.randomUUID is kept from pages that are not on this machine and not on https.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
