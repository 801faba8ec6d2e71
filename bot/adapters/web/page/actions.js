// Below a finished answer: what its skill offers, and what can be done with any answer.

import { copy, icon, iconButton, make } from "./dom.js";
import { strings } from "./strings.js";

// What the page has signs and words of its own for; everything else is called what its skill calls it.
const SIGNS = { regenerate: "again", good: "good", bad: "bad" };
const VERDICTS = ["good", "bad"];

// `onpress(action, words)` presses a button, `onreply()` begins a reply, `more` is the button for what else there is.
export function below(message, when, { onpress, onreply, more }) {
  const offers = message.buttons.filter((each) => !SIGNS[each.action]).map((each) => offer(each, onpress));
  const signs = message.buttons.filter((each) => SIGNS[each.action]);
  return make(
    "div.below",
    {},
    message.footer ? make("p.footer", { dir: "auto" }, message.footer) : null,
    offers.length ? make("div.offers", { role: "group", "aria-label": strings.offers }, ...offers) : null,
    make(
      "div.quiet",
      { role: "group", "aria-label": strings.actions },
      message.text ? copyButton(strings.copyAnswer, () => message.text) : null,
      iconButton("reply", strings.reply, onreply),
      ...signs.map((each) => sign(each, onpress)),
      more,
      when,
    ),
    make("div.after", {}, make("p.remark", { dir: "auto" })),
  );
}

function offer({ action, label }, onpress) {
  const words = strings.buttons[action] ?? label;
  return make("button.offer", { type: "button", "data-action": action, onclick: () => onpress(action) }, words);
}

function sign({ action, pressed }, onpress) {
  const button = iconButton(SIGNS[action], strings.buttons[action], () => {
    onpress(action);
    if (action === "bad") askReason(button.closest(".below"), onpress);
  });
  button.dataset.action = action;
  if (VERDICTS.includes(action)) button.setAttribute("aria-pressed", String(Boolean(pressed)));
  return button;
}

// Why it was bad, for whoever wants to say; that it was has been said already.
function askReason(place, onpress) {
  const field = make("input", {
    type: "text",
    maxLength: 2000,
    "aria-label": strings.reason,
    placeholder: strings.reasonExample,
  });
  const form = make(
    "form.reason",
    {
      onsubmit: (event) => {
        event.preventDefault();
        const words = field.value.trim();
        if (words) onpress("bad", words);
        close();
      },
    },
    field,
    make("button.plain", { type: "submit" }, strings.sendReason),
    iconButton("close", strings.dismiss, () => close()),
  );
  const close = () => {
    form.remove();
    place.querySelector("[data-action=bad]")?.focus();
  };
  form.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  };
  place.querySelector(".reason")?.remove();
  place.querySelector(".after").append(form);
  field.focus();
}

// What was said to a press, near the answer that it was about.
export function remark(article, sentence) {
  const place = article.querySelector(".remark");
  if (place) place.textContent = sentence;
}

// Which thumb is down may have been decided in another window.
export function showPressed(article, buttons) {
  for (const { action, pressed } of buttons)
    if (VERDICTS.includes(action))
      article.querySelector(`.below [data-action=${action}]`)?.setAttribute("aria-pressed", String(Boolean(pressed)));
}

export function copyButton(label, text) {
  const button = iconButton("copy", label, async () => {
    await copy(text());
    button.replaceChildren(icon("done"));
    button.classList.add("done");
    button.setAttribute("aria-label", strings.copied);
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.classList.remove("done");
      button.setAttribute("aria-label", label);
    }, 1500);
  });
  button.classList.add("copy");
  return button;
}
