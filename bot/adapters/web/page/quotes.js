// What a message replies to: a line above it that leads there.

import { fileAddress } from "./api.js";
import { isPicture } from "./files.js";
import { icon, make } from "./dom.js";
import { strings } from "./strings.js";

const LONGEST = 140; // characters
const MARKS = /```\w*|[*_`#>|~]{1,6}(?=\S)|(?<=\S)[*_`|~]{1,6}|^[#>\-\s]+/gm;

// The beginning of a message and its first file, as the server tells them of a message that is not on the page.
export function excerpt({ id, role, text, files }) {
  const line = (role === "assistant" ? text.replace(MARKS, "") : text).split(/\s+/).join(" ").trim();
  const cut = line.length > LONGEST ? `${line.slice(0, LONGEST - 1)}…` : line;
  return { id, role, text: cut, file: files[0] ?? null };
}

export function words({ role, text, file }) {
  const own = role === "user";
  if (text) return own ? strings.inReply(text) : strings.inReplyToAnswer(text);
  if (file && isPicture(file.type)) return own ? strings.inReplyToPicture : strings.inReplyToDrawn;
  return strings.inReplyToFile;
}

export function thumbnail({ file }) {
  return file && isPicture(file.type) ? make("img", { src: fileAddress(file), alt: "" }) : null;
}

export function quoteLine(quoted, onclick) {
  return make(
    "button.quote",
    { type: "button", dir: "auto", onclick },
    icon("reply"),
    thumbnail(quoted),
    make("span", {}, words(quoted)),
  );
}
