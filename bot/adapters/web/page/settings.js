// What can be set: for everything on this page or the conversation that is open, and wherever else the bot is.

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
    this.community = null; // none is this page
    this.channel = "";
    find("open-settings").onclick = () => this.open();
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  async open() {
    this.room = this.place();
    this.here = false;
    this.community = null;
    this.channel = "";
    this.where = make("div.where", { hidden: true });
    this.scope = make("div", {}, this.#scope());
    this.skills = make("div.settings-skills", {});
    this.problem = make("p.mistake", { role: "alert", hidden: true });
    this.dialog.replaceChildren(
      make(
        "header.settings-head",
        {},
        make("h2", { id: "settings-title" }, strings.settings),
        iconButton("close", strings.close, () => this.dialog.close()),
      ),
      this.where,
      this.scope,
      this.problem,
      this.skills,
    );
    this.dialog.showModal();
    await Promise.all([this.#load(), this.#findCommunities()]);
  }

  // Where the bot is besides this page, to choose from; nothing to choose where it is nowhere else.
  async #findCommunities() {
    const opened = this.where;
    const { communities } = await api.communities().catch(() => ({ communities: [] }));
    if (!communities.length || opened !== this.where) return;
    const options = [strings.thisPage, ...communities.map(({ platform, name }) => strings.community(platform, name))];
    const choose = (event) => {
      this.community = communities[event.target.value - 1] ?? null;
      this.channel = "";
      this.here = false;
      this.scope.replaceChildren(this.community ? this.#channels() : this.#scope());
      this.#load();
    };
    this.where.replaceChildren(...select("settings-where", strings.settingsWhere, options, choose));
    this.where.hidden = false;
  }

  #channels() {
    const { channels } = this.community;
    const choose = (event) => {
      this.channel = channels[event.target.value - 1]?.id ?? "";
      this.here = Boolean(this.channel);
      this.#load();
    };
    const names = [strings.wholeCommunity, ...channels.map((each) => each.name)];
    return make("div.where", { hidden: !channels.length }, ...select("settings-channel", strings.settingsChannel, names, choose));
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

  get #place() {
    if (!this.community) return { room: this.here ? this.room.id : "" };
    const { platform, tenant } = this.community;
    return { platform, tenant, channel: this.channel };
  }

  async #load() {
    const asked = (this.asked = this.#place);
    this.skills.inert = true; // what is still shown is of another place
    try {
      const { topics } = await api.settings(asked);
      if (asked !== this.asked) return;
      this.#complain("");
      this.skills.replaceChildren(...topics.map((each) => this.#section(each, asked)));
      this.skills.inert = false;
    } catch (trouble) {
      if (asked === this.asked) this.#complain(trouble.message);
    }
  }

  #complain(sentence) {
    this.problem.textContent = sentence;
    this.problem.hidden = !sentence;
  }

  #section(skill, place) {
    const { title, help, form } = skill;
    skill.place = place;
    const state = make("p.saved", { role: "status" });
    const words = make("div", {}, make("h3", {}, title), make("p", {}, help));
    const head = make("div.skill-head", {}, words, "enabled" in skill.values ? this.#toggle(skill, words, state) : null);
    const fields = form.fields.length ? this.#fields(skill, state) : null;
    return make("section.skill", { "aria-label": title }, head, fields, state);
  }

  // The switch of a skill; where its state comes from stands below `words`.
  #toggle({ name, title, values, origins, place }, words, state) {
    const show = (now) => {
      toggle.checked = now.values.enabled;
      words.querySelector(".origin")?.remove();
      const back = () => this.#save(place, name, {}, state, null, ["enabled"]).then((after) => after && show(after));
      words.append(this.#origin(title, now.origins.enabled, back) ?? "");
    };
    const toggle = make("input.switch", {
      type: "checkbox",
      role: "switch",
      "aria-label": strings.skillOn(title),
      onchange: async () => {
        const wanted = toggle.checked;
        const now = await this.#save(place, name, { enabled: wanted }, state);
        if (now) show(now);
        else toggle.checked = !wanted;
      },
    });
    show({ values, origins });
    return toggle;
  }

  // Where a value comes from, and what takes it back if it was set for what is looked at; nothing for what is usual.
  #origin(field, origin, back) {
    const said = (this.community ? strings.originsElsewhere : strings.origins)[origin];
    if (!said) return null;
    const own = origin === (this.here ? "here" : "community");
    const label = strings.takeBack[origin];
    const button = own ? make("button.link", { type: "button", "aria-label": `${field}: ${label}`, onclick: back }, label) : null;
    return make("p.origin", {}, said, button ? " · " : null, button);
  }

  // The roles of the community as buttons, which put their ids among those that are written, or take them away.
  #roles(control) {
    const written = () => control.value.split(/[\s,]+/).filter(Boolean);
    const buttons = (this.community?.roles ?? []).map(({ id, name }) => {
      const toggle = () => {
        control.value = (written().includes(id) ? written().filter((each) => each !== id) : [...written(), id]).join(" ");
        control.dispatchEvent(new Event("input"));
      };
      const button = make("button.role", { type: "button", dir: "auto", onclick: toggle }, name);
      const show = () => button.setAttribute("aria-pressed", String(written().includes(id)));
      control.addEventListener("input", show);
      show();
      return button;
    });
    return buttons.length ? make("div.roles", { role: "group", "aria-label": strings.rolesThere }, ...buttons) : null;
  }

  #fields({ name, form, values, origins, place }, state) {
    const saving = make("button.primary", { type: "submit", disabled: true }, strings.saveSettings);
    const begin = (now) => {
      const begun = (after) => {
        const fresh = begin(after);
        saving.disabled = true;
        written.replaceWith(fresh);
        return fresh;
      };
      const back = (field) => async () => {
        const after = await this.#save(place, name, {}, state, view, [field.name]);
        if (after) begun(after).querySelector("input, select, textarea")?.focus();
      };
      const view = new FormView(form, now.values, {
        below: (field, control) => [
          field.kind === "people" ? this.#roles(control) : null,
          this.#origin(strings.fieldName(field.name), now.origins[field.name], back(field)),
        ],
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
            const after = await this.#save(place, name, view.changed, state, view);
            if (!after) return;
            const focused = written.contains(document.activeElement);
            const fresh = begun(after);
            if (focused) fresh.querySelector("input, select, textarea")?.focus();
          },
        },
        view.element,
        saving,
      );
      return written;
    };
    return make("details", {}, make("summary", {}, strings.settingsOf(form.fields.length)), begin({ values, origins }));
  }

  // The values as they are then, and their origins; or nothing when it could not be.
  async #save(place, topic, chosen, state, view, reset = []) {
    try {
      const now = await api.choose(place, topic, chosen, reset);
      state.textContent = strings.settingsSaved;
      return now;
    } catch (trouble) {
      const shown = view?.show(trouble.answer?.fields ?? {});
      state.textContent = shown && !trouble.answer.error ? "" : trouble.message;
      return null;
    }
  }
}

// A list to choose from, by number, with its label.
function select(id, label, options, onchange) {
  const choices = options.map((text, number) => make("option", { value: number }, text));
  return [make("label", { htmlFor: id }, label), make("select", { id, onchange }, ...choices)];
}
