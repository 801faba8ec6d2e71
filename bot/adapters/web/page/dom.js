// Making elements, and telling those who cannot see the page.

import { strings } from "./strings.js";

export const find = (id) => document.getElementById(id);

// make("button.icon-button", { type: "button", onclick }, child, …)
export function make(what, properties = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && !name.startsWith("aria")) element[name] = value;
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", name === "mark" ? "#mark" : `#i-${name}`);
  svg.append(use);
  return svg;
}

export const iconButton = (name, label, onclick) =>
  make("button.icon-button", { type: "button", "aria-label": label, title: label, onclick }, icon(name));

// The words of the page's own markup.
export function fillWords() {
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = strings[element.dataset.text];
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", strings[element.dataset.label]);
    if (element.tagName === "BUTTON") element.title = strings[element.dataset.label];
  }
  for (const element of document.querySelectorAll("[data-placeholder]"))
    element.placeholder = strings[element.dataset.placeholder];
}

export function announce(text) {
  const live = find("live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = text.slice(0, 3000)));
}

export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // A page that is not on this machine and not on https has no clipboard of its own.
  const area = make("textarea.unseen", { value: text });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// A small question with two answers; resolves to whether it was the first.
export function confirm(title, text, yes, no) {
  const dialog = find("confirm");
  return new Promise((resolve) => {
    dialog.replaceChildren(
      make("h2", { id: "confirm-title" }, title),
      make("p", { dir: "auto" }, text),
      make(
        "div.confirm-buttons",
        {},
        make("button.plain", { type: "button", autofocus: true, onclick: () => dialog.close("no") }, no),
        make("button.danger", { type: "button", onclick: () => dialog.close("yes") }, yes),
      ),
    );
    dialog.returnValue = "no";
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.showModal();
  });
}
