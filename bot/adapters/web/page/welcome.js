// The first screen: what there is to try, and each of it does something.

import { find, icon, make } from "./dom.js";
import { strings } from "./strings.js";

export function drawWelcome(composer, status) {
  const act = {
    send: (text) => {
      composer.fill(text);
      composer.submit();
    },
    picture: () => composer.choose("image/*"),
    record: () => composer.record(),
  };
  const example = (each) =>
    make(
      "button.example",
      { type: "button", onclick: () => act[each.does](each.text) },
      icon(each.icon),
      make("strong", {}, each.title),
      make("span", {}, each.text),
    );
  find("welcome").replaceChildren(
    make("div.welcome-mark", { "aria-hidden": "true" }, icon("mark")),
    make("h2", {}, strings.welcome),
    make("p.welcome-text", {}, strings.welcomeText),
    make("ul.examples", {}, ...strings.examples.map((each) => make("li", {}, example(each)))),
    status?.practice
      ? make("p.notice", {}, make("strong", {}, strings.practiceTitle), ` ${strings.practiceText}`)
      : "",
  );
}
