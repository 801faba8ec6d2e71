// What has been asked and is not answered yet: the signs of it, stopping it, and the buttons that ask for more.

import * as api from "./api.js";
import { newId } from "./composer.js";
import { announce, find } from "./dom.js";
import { strings } from "./strings.js";

const TYPING = 5000; // milliseconds for which a sign of typing holds

export class Work {
  // `room()` is the open one; `reload()` shows it as the server has it.
  constructor({ room, messages, composer, reload }) {
    Object.assign(this, { room, messages, composer, reload });
    this.waiting = new Map(); // room → what was asked last: its id, the message its answer stands below, and how many did
    this.typing = new Map(); // room → timer
    this.shown = false;
    find("stop").onclick = () => this.stop();
  }

  // Something was asked in a room; its answer will come below a message, where `answered` stand already.
  asked(room, id, below = id, answered = 0) {
    this.waiting.set(room, { id, below, answered });
  }

  // An answer has come.
  answered(room, message) {
    if (message.answers && this.waiting.get(room)?.below === message.answers) this.waiting.delete(room);
    if (message.role === "assistant") this.#calm(room);
  }

  // A room was loaded: what is answered in it by now is not waited for.
  loaded(room, messages) {
    const asked = this.waiting.get(room);
    if (asked && messages.filter((each) => each.answers === asked.below).length > asked.answered) this.waiting.delete(room);
  }

  sign(room) {
    clearTimeout(this.typing.get(room));
    this.typing.set(room, setTimeout(() => this.#calm(room), TYPING));
    this.show();
  }

  #calm(room) {
    clearTimeout(this.typing.get(room));
    this.typing.delete(room);
    this.show();
  }

  show() {
    const running = this.messages.running;
    const working = Boolean(running) || this.waiting.has(this.room()) || this.typing.has(this.room());
    this.messages.setTyping(working && !running);
    find("stop").hidden = !working || this.composer.recorder.active;
    if (!working) find("stop").disabled = false;
    if (working && !this.shown) announce(strings.writing);
    this.shown = working;
  }

  async stop() {
    const question = this.messages.ordered.findLast((message) => message.role === "user");
    const room = this.room();
    const id = this.messages.running?.id ?? this.waiting.get(room)?.id ?? question?.id;
    const button = find("stop");
    if (!id || button.hidden || button.disabled) return;
    button.disabled = true;
    try {
      const { stopped } = await api.stop(room, id);
      if (!stopped) {
        // It has ended by itself: what the page shows is out of date.
        this.waiting.delete(room);
        if (room === this.room()) await this.reload();
      }
    } catch (trouble) {
      this.composer.complain(trouble.message);
    }
    button.disabled = false;
    this.composer.focus();
  }

  // A button below an answer is pressed.
  async press(message, action, words = "") {
    const { messages } = this;
    const room = this.room();
    const id = newId();
    const asked = `${message.id}~${id}`; // as the bot calls what is asked by it
    const verdict = action === "good" || action === "bad";
    // What comes of it may be told before the press itself is answered.
    if (action === "regenerate") messages.anew(message.id, true);
    else if (!verdict) {
      this.asked(room, asked, message.id, messages.all.filter((each) => each.answers === message.id).length);
      messages.goToEnd(true);
    }
    this.show();
    messages.remark(message.id, "");
    let said;
    try {
      said = (await api.press(room, { id, message: message.id, action, words })).said;
      if (!said && !verdict) return;
    } catch (trouble) {
      said = trouble.message;
    }
    messages.anew(message.id, false);
    if (this.waiting.get(room)?.id === asked) this.waiting.delete(room);
    messages.remark(message.id, said);
    announce(said);
    this.show();
  }
}
