// What is on: the model, the platforms, the skills.

import * as api from "./api.js";
import { find, make } from "./dom.js";
import { strings } from "./strings.js";

export async function showStatus() {
  const status = await api.status();
  const chat = status.models?.find((each) => each.role === "chat");
  const model = chat?.on === false ? "" : status.model;
  const label = status.practice ? strings.statusPractice : model || strings.statusNone;
  const button = find("status");
  find("status-text").textContent = label;
  button.title = label;
  button.classList.toggle("practice", Boolean(status.practice));
  button.classList.toggle("off", !status.practice && !model);
  find("about").replaceChildren(...about(status, label));
  find("platforms").replaceChildren(
    ...status.platforms.filter((each) => each.name !== "web").map((each) => make(`span.platform.${each.on ? "on" : "off"}`, {}, platformLine(each))),
  );
  return status;
}

const platformName = (each) => strings.platformNames[each.name] ?? each.name;
const platformLine = (each) => `${platformName(each)}: ${each.on ? strings.on : strings.off}`;
const remedy = (each) => each.fix || each.text || "";

function about(status, label) {
  const parts = [make("h2", {}, strings.model), make("p.about-model", {}, make("strong", {}, label))];
  if (status.practice) parts.push(make("p.notice", {}, strings.practiceText));
  for (const each of status.practice ? [] : (status.models ?? []))
    parts.push(make("p.fix", {}, `${strings.roles[each.role] ?? each.role}: ${each.text}`));
  if (status.platforms.length) {
    parts.push(
      make("h2", {}, strings.platforms),
      make(
        "ul",
        {},
        ...status.platforms.map((each) =>
          make(
            `li.platform.${each.on ? "on" : "off"}`,
            {},
            make("strong", {}, platformName(each)),
            ` ${each.on ? strings.on : strings.off}`,
            each.on || !remedy(each) ? null : make("span.fix", {}, remedy(each)),
          ),
        ),
      ),
    );
  }
  if (status.skills.length) {
    parts.push(
      make("h2", {}, strings.skills),
      make("dl", {}, ...status.skills.flatMap((each) => [make("dt", {}, each.name), make("dd", {}, each.help)])),
    );
  }
  parts.push(make("p.version", {}, strings.version(status.version)));
  return parts;
}
