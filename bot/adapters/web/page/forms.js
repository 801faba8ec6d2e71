// Forms as the server describes them: fields to fill in, the values they hold, and what is wrong, at the field.
// Nothing here knows whose form it is.

import { make } from "./dom.js";
import { strings } from "./strings.js";

const LONG = 200; // characters from which on a text gets a box of several lines
let made = 0;

export class FormView {
  // `values` are shown where there are any, else the defaults. `without` names fields that are asked for elsewhere;
  // `below` makes what else is to be shown below a field, given its control.
  constructor(form, values = {}, { without = [], compact = false, onchange = () => {}, below = () => [] } = {}) {
    this.fields = form.fields
      .filter((field) => !without.includes(field.name))
      .map((field) => new Field(field, values[field.name] ?? field.default, compact, onchange, below));
    this.element = make(`div.fields${compact ? ".compact" : ""}`, {}, ...this.fields.map((each) => each.element));
  }

  // What stands in the fields; one that is left empty is left out.
  get values() {
    return Object.fromEntries(this.fields.map((each) => [each.field.name, each.value]).filter(([, value]) => value !== undefined));
  }

  // The values that are not as they were shown first.
  get changed() {
    const values = this.values;
    return Object.fromEntries(
      this.fields.filter((each) => each.value !== each.shown && each.value !== undefined).map((each) => [each.field.name, values[each.field.name]]),
    );
  }

  // Whether the fields can be so; those that cannot say why, and the first of them has the focus.
  check() {
    return !this.show(Object.fromEntries(this.fields.map((each) => [each.field.name, each.mistake]).filter(([, mistake]) => mistake)));
  }

  // Show what is wrong, by field; whether anything is.
  show(mistakes) {
    for (const each of this.fields) each.complain(mistakes[each.field.name] ?? "");
    const first = this.fields.find((each) => mistakes[each.field.name]);
    first?.control.focus();
    return Boolean(first);
  }
}

class Field {
  constructor(field, shown, compact, onchange, below) {
    this.field = field;
    made += 1;
    this.control = control(field, shown, `field-${made}`);
    this.shown = this.value;
    const more = below(field, this.control) ?? [];
    const told = make("p.field-about", { id: `field-${made}-about` }, field.description);
    this.wrong = make("p.mistake", { id: `field-${made}-mistake`, role: "alert", hidden: true });
    this.control.setAttribute("aria-describedby", `${told.id} ${this.wrong.id}`);
    if (compact) this.control.title = field.description;
    this.control.addEventListener("input", () => {
      this.complain("");
      onchange();
    });
    const label = make("label", { htmlFor: this.control.id }, strings.fieldName(field.name));
    this.element = make(`div.field.${field.kind}`, {}, make("div.field-words", {}, label, told), this.control, ...more, this.wrong);
  }

  get value() {
    const { kind, choices } = this.field;
    if (kind === "bool") return this.control.checked;
    const text = this.control.value.trim();
    if (kind === "choice") return choices.find((each) => String(each) === text);
    if (!text && this.field.default === null && !this.field.required) return kind === "str" ? text : null; // it may be left out
    if (kind === "int" || kind === "float") return text && Number.isFinite(Number(text)) ? Number(text) : undefined;
    return text || !this.field.required ? text : undefined;
  }

  get mistake() {
    const { kind, least, most, description } = this.field;
    const { control, value } = this;
    if (control.validity?.badInput) return strings.wrongNumber(kind === "int", least, most);
    if (value === undefined) return strings.fieldNeeded(description);
    if (value !== null && (kind === "int" || kind === "float")) {
      const wrong = (least !== null && value < least) || (most !== null && value > most) || (kind === "int" && !Number.isInteger(value));
      return wrong ? strings.wrongNumber(kind === "int", least, most) : "";
    }
    return "";
  }

  complain(sentence) {
    this.wrong.textContent = sentence;
    this.wrong.hidden = !sentence;
    if (sentence) this.control.setAttribute("aria-invalid", "true");
    else this.control.removeAttribute("aria-invalid");
  }
}

function control(field, shown, id) {
  const { kind, choices, least, most, required } = field;
  const value = shown ?? "";
  if (kind === "bool") return make("input.switch", { id, type: "checkbox", role: "switch", checked: Boolean(shown) });
  if (kind === "choice") {
    const options = choices.map((each) => make("option", { value: String(each) }, strings.choiceName(String(each))));
    const select = make("select", { id }, ...options);
    select.value = String(value);
    return select;
  }
  if (kind === "int" || kind === "float")
    return make("input", { id, type: "number", min: least ?? "", max: most ?? "", step: kind === "int" ? 1 : "any", inputMode: kind === "int" ? "numeric" : "decimal", value: String(value) });
  const bound = most ? { maxLength: most } : {};
  if (!most || most > LONG) return make("textarea", { id, rows: 2, dir: "auto", value: String(value), required, ...bound });
  return make("input", { id, type: "text", dir: "auto", value: String(value), required, ...bound });
}
