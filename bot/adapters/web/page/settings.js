// The settings of every skill: for everything on this page, or for the conversation that is open.

import * as api from "./api.js";
import { find, iconButton, make } from "./dom.js";
import { FormView } from "./forms.js";
import { strings } from "./strings.js";

export class SettingsView {
  // `place()` tells which conversation is open, with its title; none that nothing was said in yet.
  constructor({ place }) {
    this.place = place;
    this.dialog = find("settings");
    this.here = false;
    find("open-settings").onclick = () => this.open();
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  async open() {
    this.room = this.place();
    this.here = false;
    this.skills = make("div.settings-skills", {});
    this.problem = make("p.mistake", { role: "alert", hidden: true });
    this.dialog.replaceChildren(
      make(
        "header.settings-head",
        {},
        make("h2", { id: "settings-title" }, strings.settings),
        iconButton("close", strings.close, () => this.dialog.close()),
      ),
      this.#scope(),
      this.problem,
      this.skills,
    );
    this.dialog.showModal();
    await this.#load();
  }

  #scope() {
    const choose = (here, label) =>
      make(
        "label",
        {},
        make("input", { type: "radio", name: "scope", checked: this.here === here, onchange: () => this.#move(here) }),
        make("span", { dir: "auto" }, label),
      );
    const options = [choose(false, strings.everywhere)];
    if (this.room) options.push(choose(true, strings.onlyHere(this.room.title)));
    return make("fieldset.scope", { hidden: !this.room }, make("legend.unseen", {}, strings.scope), ...options);
  }

  #move(here) {
    this.here = here;
    this.#load();
  }

  get #room() {
    return this.here ? this.room.id : "";
  }

  async #load() {
    const room = this.#room;
    try {
      const { skills } = await api.settings(room);
      if (room !== this.#room) return;
      this.#complain("");
      this.skills.replaceChildren(...skills.map((each) => this.#section(each)));
    } catch (trouble) {
      this.#complain(trouble.message);
    }
  }

  #complain(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = !sentence;
  }

  #section(skill) {
    const { name, help, form, values } = skill;
    const state = make("p.saved", { role: "status" });
    const toggle = make("input.switch", {
      type: "checkbox",
      role: "switch",
      checked: values.enabled !== false,
      "aria-label": strings.skillOn(name),
      onchange: async () => {
        const wanted = toggle.checked;
        if (!(await this.#save(name, { enabled: wanted }, state))) toggle.checked = !wanted;
      },
    });
    const head = make("div.skill-head", {}, make("div", {}, make("h3", {}, name), make("p", {}, help)), toggle);
    const fields = form.fields.length ? this.#fields(skill, state) : null;
    return make("section.skill", { "aria-label": name }, head, fields, state);
  }

  #fields({ name, form, values }, state) {
    const saving = make("button.primary", { type: "submit", disabled: true }, strings.saveSettings);
    const begin = (shown) => {
      const view = new FormView(form, shown, {
        onchange: () => {
          saving.disabled = !Object.keys(view.changed).length;
          state.textContent = "";
        },
      });
      const written = make(
        "form",
        {
          noValidate: true,
          onsubmit: async (event) => {
            event.preventDefault();
            if (saving.disabled || !view.check()) return;
            const now = await this.#save(name, view.changed, state, view);
            if (!now) return;
            const focused = written.contains(document.activeElement);
            saving.disabled = true;
            const fresh = begin(now);
            written.replaceWith(fresh);
            if (focused) fresh.querySelector("input, select, textarea")?.focus();
          },
        },
        view.element,
        saving,
      );
      return written;
    };
    return make("details", {}, make("summary", {}, strings.settingsOf(form.fields.length)), begin(values));
  }

  // The values as they are then, or nothing when it could not be.
  async #save(skill, chosen, state, view) {
    try {
      const { values } = await api.choose(this.#room, skill, chosen);
      state.textContent = strings.settingsSaved;
      return values;
    } catch (trouble) {
      const shown = view?.show(trouble.answer?.fields ?? {});
      state.textContent = shown && !trouble.answer.error ? "" : trouble.message;
      return null;
    }
  }
}
