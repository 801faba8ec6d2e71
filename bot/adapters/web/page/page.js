// The page: which conversation is open, what happens in it, and what happens elsewhere.

import { showStatus } from "./about.js";
import * as api from "./api.js";
import { Composer, newId } from "./composer.js";
import { announce, confirm, fillWords, find } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Messages } from "./messages.js";
import { Rooms } from "./rooms.js";
import { SettingsView } from "./settings.js";
import { listen } from "./socket.js";
import { strings } from "./strings.js";
import { drawWelcome } from "./welcome.js";
import { Work } from "./work.js";

// The key is in a cookie by now; an address that is shown, shared or bookmarked should not carry it.
const address = new URL(location.href);
if (address.searchParams.has("token")) {
  address.searchParams.delete("token");
  history.replaceState(null, "", address);
}

fillWords();

const drawer = new Drawer();
const messages = new Messages({
  onpress: (...press) => work.press(...press),
  onreply: (message) => composer.reply(message),
  onfind: bring,
  onuse: (command, message) => composer.use(command, message),
});
const rooms = new Rooms({ onrename: rename, onremove: remove });
const composer = new Composer({
  target: () => ({ room: current, isNew: !rooms.rooms.has(current) }),
  onsend: shownAtOnce,
  onsent: sent,
  onunsent: unsent,
  onrecording: () => work.show(),
});
const work = new Work({ room: () => current, messages, composer, reload: load });

new SettingsView({
  place: () => (rooms.rooms.has(current) ? { id: current, title: rooms.title(current) } : null),
});

let current = ""; // the id of the open room, which the server knows once something was said in it
let loading = null; // what happened in the open room while it was being loaded
let held = null; // what happened anywhere while everything was being loaded
let status = null;
let started = false; // whether everything was loaded once
let unseen = 0; // answers that came while nobody looked

// Which conversation

function follow() {
  const id = asked();
  drawer.close();
  if (!id) openNew();
  else if (id !== current) open(id);
  else showAsked();
}

// The conversation that the address names, and the message in it, if it names one: #/conversation/message
function asked() {
  const id = location.hash.slice(2).split("/")[0];
  return id === "new" ? "" : id;
}

function showAsked() {
  const message = location.hash.slice(2).split("/")[1];
  if (message) bring(message);
}

function openNew() {
  current = newId();
  loading = null;
  messages.clear();
  composer.open("new");
  arrived();
  focus();
}

async function open(id) {
  current = id;
  messages.clear();
  composer.open(id);
  arrived();
  focus();
  await load();
}

// Everything that was said in the open room, as the server has it.
async function load() {
  const id = current;
  const missed = [];
  loading = missed;
  try {
    const answer = await api.messages(id);
    if (loading !== missed) return;
    loading = null;
    rooms.put(answer.room);
    const first = !messages.shown.size;
    messages.load(answer.messages, answer.more);
    if (first) showAsked();
    work.loaded(id, answer.messages);
    for (const event of missed) if (event.number > answer.number) happen(event);
  } catch (trouble) {
    if (loading !== missed) return;
    loading = null;
    if (trouble.status === 404) gone(id);
    else composer.complain(trouble.message);
  }
  arrived();
}

function arrived() {
  rooms.select(current);
  const title = rooms.rooms.has(current) ? rooms.title(current) : "";
  find("title").textContent = title || strings.untitled;
  showTitle();
  showWelcome();
  work.show();
}

const coarse = matchMedia("(pointer: coarse)"); // where focus would bring up the keyboard

function focus() {
  if (!coarse.matches) composer.focus();
}

function showTitle() {
  const title = rooms.rooms.has(current) ? `${rooms.title(current)} · ${strings.name}` : strings.name;
  document.title = unseen ? `(${unseen}) ${title}` : title;
}

function gone(id) {
  rooms.remove(id);
  if (id !== current) return;
  announce(strings.removedElsewhere);
  history.replaceState(null, "", "#/new");
  openNew();
}

async function rename(id, title) {
  try {
    await api.rename(id, title);
  } catch (trouble) {
    composer.complain(trouble.message);
    rooms.load((await api.rooms().catch(() => ({ rooms: [...rooms.rooms.values()] }))).rooms);
  }
}

async function remove(id) {
  const title = rooms.title(id);
  if (!(await confirm(strings.confirmTitle, strings.confirmText(title), strings.confirmYes, strings.confirmNo))) return;
  try {
    await api.remove(id);
    gone(id);
    composer.focus();
  } catch (trouble) {
    composer.complain(trouble.message);
  }
}

// What was said

function shownAtOnce(room, message) {
  if (room !== current) return;
  messages.put(message);
  messages.goToEnd(false);
  showWelcome();
}

function sent(room, message) {
  if (!rooms.rooms.has(room)) rooms.put({ id: room, title: message.text.slice(0, 48) || strings.voiceNote, at: message.at });
  if (!messages.all.some((each) => each.answers === message.id)) work.asked(room, message.id);
  if (room === current) {
    if (asked() !== room) composer.move(room);
    if (location.hash !== `#/${room}`) history.replaceState(null, "", `#/${room}`);
    messages.put(message);
    arrived();
  }
}

function unsent(room, id) {
  if (room === current) messages.remove(id);
  showWelcome();
}

function happen(event) {
  if (held) {
    held.push(event);
    return;
  }
  if (event.room === current && loading) {
    loading.push(event);
    return;
  }
  switch (event.kind) {
    case "room":
      rooms.put(event.room);
      if (event.room.id === current) arrivedTitle();
      break;
    case "removed":
      gone(event.room);
      break;
    case "withdrawn":
      if (event.room === current) messages.remove(event.id);
      break;
    case "message":
      heardMessage(event);
      break;
    case "edit":
      heardChange(event);
      break;
    case "buttons":
      if (event.room === current) messages.pressed(event.id, event.buttons);
      break;
    case "typing":
      work.sign(event.room);
      break;
  }
}

function arrivedTitle() {
  find("title").textContent = rooms.title(current);
  showTitle();
}

function heardMessage({ room, message }) {
  rooms.touch(room, message.at);
  work.answered(room, message);
  if (room === current) {
    messages.put(message);
    showWelcome();
    work.show();
  }
  if (message.role === "assistant" && !message.running) answered(room, message);
}

function heardChange(event) {
  if (event.room === current) {
    if (messages.change(event)) work.show();
    else load();
  }
  if (!event.running) answered(event.room, event);
}

function answered(room, { text, files }) {
  if (room === current) {
    announce(strings.answered([text, ...files.map((file) => file.alt || file.name)].filter(Boolean).join("\n")));
  } else {
    rooms.mark(room);
    announce(strings.answeredElsewhere(rooms.title(room)));
  }
  if (document.hidden) {
    unseen += 1;
    showTitle();
  }
}

// What was said before what is shown

async function loadEarlier() {
  const first = messages.ordered[0];
  try {
    const room = current;
    const answer = await api.messages(room, first.id);
    if (room === current) messages.loadEarlier(answer.messages, answer.more);
    return room === current;
  } catch (trouble) {
    composer.complain(trouble.message);
    return false;
  }
}

// Show a message that may be far back.
async function bring(id) {
  while (!messages.show(id) && !messages.earlier.hidden && (await loadEarlier()));
}

// The first screen

function showWelcome() {
  const empty = !messages.shown.size && current !== asked();
  find("welcome").hidden = !empty || !started; // before that, nobody knows what there is
  find("messages").hidden = empty;
  if (empty) find("scroller").scrollTop = 0;
}

async function loadStatus() {
  try {
    status = await showStatus();
    composer.limits = { ...composer.limits, ...status.limits };
    drawWelcome(composer, status);
  } catch {
    find("status-text").textContent = strings.statusUnknown; // the banner says what is wrong
  }
}

// Controls and keys

find("new-room").onclick = () => {
  drawer.close();
  if (location.hash === "#/new") openNew();
  else location.hash = "#/new";
};
find("skip").onclick = () => composer.focus();
messages.earlier.onclick = loadEarlier;
addEventListener("hashchange", follow);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open], :popover-open")) return;
  if (drawer.open) drawer.close();
  else if (composer.recorder.active) composer.recorder.cancel();
  else if (!composer.putBack()) work.stop();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unseen = 0;
  showTitle();
});

// The connection

const banner = find("banner");

function say(sentence) {
  banner.textContent = sentence;
  banner.hidden = !sentence;
}

// The first time, and whenever too much was missed: everything anew.
async function loadAll() {
  const missed = [];
  held = missed;
  loadStatus();
  try {
    const [answer, { commands }] = await Promise.all([api.rooms(), api.commands()]);
    if (held !== missed) return;
    composer.commands = commands;
    messages.menu.commands = commands;
    rooms.load(answer.rooms);
    held = null;
    for (const event of missed) if (event.number > answer.number) happen(event);
  } catch (trouble) {
    if (held === missed) held = null;
    say(trouble.message);
    return;
  }
  const first = !started;
  started = true;
  const { latest } = rooms;
  if (first && latest && !location.hash && composer.untouched && !messages.shown.size) {
    history.replaceState(null, "", `#/${latest.id}`);
    follow();
  } else if (current === asked()) {
    await load();
  } else if (messages.shown.size && !composer.busy) {
    gone(current); // it was deleted while this page was away
  }
  showWelcome();
}

// Whoever begins to write at once must not lose it to what is still being loaded.
drawWelcome(composer, status);
if (asked()) {
  current = asked();
  composer.open(current);
  showWelcome();
} else {
  openNew();
}
listen({
  onevent: happen,
  onlost: () => say(strings.lost),
  onback: () => say(""),
  onlocked: () => say(strings.locked),
  onafresh: loadAll,
});
