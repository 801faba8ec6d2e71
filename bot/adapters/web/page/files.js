// Files in messages: pictures that can be enlarged, sounds that can be played, everything else to save.

import { fileAddress } from "./api.js";
import { find, icon, iconButton, make } from "./dom.js";
import { lengthOf, sizeOf, strings } from "./strings.js";

const PICTURES = /^image\/(png|jpeg|gif|webp|avif|bmp)$/;
const SOUNDS = /^audio\/(ogg|mpeg|mp4|wav|webm|flac|aac)$/;

const DRAGGED = "application/x-parley-file"; // a picture of this page on its way to the message box

export const isDragged = (transfer) => transfer?.types.includes(DRAGGED) ?? false;

// The file that was dragged here from a message.
export async function draggedFile(transfer) {
  const file = JSON.parse(transfer.getData(DRAGGED));
  const response = await fetch(fileAddress(file));
  if (!response.ok) throw new Error(strings.fileGone(file.name));
  return new File([await response.blob()], file.name, { type: file.type });
}

export const isPicture = (type) => PICTURES.test(type);
export const isSound = (type) => SOUNDS.test(type);

export function fileList(files) {
  if (!files.length) return null;
  return make("div.files", {}, ...files.map(fileElement));
}

// The files of a growing answer take the place of those before them. A picture does so once it can be seen.
export function showFiles(list, files, finished) {
  const old = [...list.children];
  files.forEach((file, index) => {
    const fresh = fileElement(file);
    const before = old[index];
    if (!before) list.append(fresh);
    else if (before.dataset.file !== file.id) replace(before, fresh, finished && file);
  });
  for (const each of old.slice(files.length)) each.remove();
}

async function replace(before, fresh, finished) {
  const image = fresh.querySelector("img");
  before.dataset.file = fresh.dataset.file;
  if (image && before.matches(".picture")) {
    image.onerror = null;
    if (!(await image.decode().then(() => true, () => false))) {
      // An unfinished one may be gone already; what cannot be shown for good can still be saved.
      if (finished) before.replaceWith(fileElement({ ...finished, type: "" }));
      return;
    }
  }
  if (before.dataset.file !== fresh.dataset.file) return; // yet another has taken its place
  const focused = before === document.activeElement;
  before.replaceWith(fresh);
  if (focused) fresh.focus();
}

function fileElement(file) {
  const element = elementOf(file, fileAddress(file));
  element.dataset.file = file.id;
  return element;
}

function elementOf(file, address) {
  if (isPicture(file.type)) return picture(address, file);
  if (isSound(file.type)) return player(address, file.name);
  return make(
    "a.file",
    { href: address, download: file.name, "aria-label": strings.saveFile(file.name, sizeOf(file.size)) },
    icon("file"),
    make("span.file-name", { dir: "auto" }, file.name),
    make("span.file-size", {}, sizeOf(file.size)),
    icon("save"),
  );
}

function picture(address, file) {
  const alt = file.alt || file.name || strings.picture;
  const image = make("img", { src: address, alt, decoding: "async", draggable: false });
  const button = make(
    "button.picture",
    { type: "button", draggable: true, "aria-label": strings.enlarge(alt), onclick: () => enlarge(address, alt, file.name) },
    image,
  );
  button.ondragstart = (event) => {
    event.dataTransfer.effectAllowed = "copy";
    event.dataTransfer.setData(DRAGGED, JSON.stringify({ id: file.id, name: file.name, type: file.type }));
    event.dataTransfer.setDragImage(image, 20, 20);
  };
  // What cannot be shown can still be saved.
  image.onerror = () => button.replaceWith(fileElement({ ...file, type: "" }));
  return button;
}

function enlarge(address, alt, name) {
  const viewer = find("viewer");
  viewer.replaceChildren(
    make("img", { src: address, alt }),
    make(
      "div.viewer-bar",
      {},
      make("p", { dir: "auto" }, alt),
      make("a.icon-button", { href: address, download: name, "aria-label": strings.save, title: strings.save }, icon("save")),
      iconButton("close", strings.close, () => viewer.close()),
    ),
  );
  viewer.onclick = (event) => {
    if (event.target === viewer) viewer.close();
  };
  viewer.showModal();
  viewer.querySelector("button").focus();
}

// A sound: play and pause, where it is, how long it lasts.
export function player(address, name) {
  const audio = make("audio", { src: address, preload: "metadata" });
  const button = make("button.play", { type: "button" });
  const place = make("input.place", { type: "range", min: 0, max: 1000, value: 0, step: 1, "aria-label": strings.seek(name) });
  const time = make("span.time", {}, "0:00");
  let duration = 0;

  const show = () => {
    button.replaceChildren(icon(audio.paused ? "play" : "pause"));
    button.setAttribute("aria-label", audio.paused ? strings.play(name) : strings.pause(name));
    const part = duration ? audio.currentTime / duration : 0;
    place.value = Math.round(part * 1000);
    place.style.setProperty("--played", `${part * 100}%`);
    const shown = audio.paused && audio.currentTime === 0 ? duration : audio.currentTime;
    time.textContent = lengthOf(shown);
    place.setAttribute("aria-valuetext", `${lengthOf(audio.currentTime)} / ${lengthOf(duration)}`);
  };
  const measure = () => {
    if (Number.isFinite(audio.duration)) {
      duration = audio.duration;
    } else if (!duration) {
      // Browsers record without writing down the length; looking for the end finds it.
      audio.addEventListener("timeupdate", () => (audio.currentTime = 0), { once: true });
      audio.currentTime = 1e7;
      return;
    }
    show();
  };
  audio.onloadedmetadata = measure;
  audio.ondurationchange = measure;
  audio.ontimeupdate = show;
  audio.onplay = show;
  audio.onpause = show;
  audio.onended = () => (audio.currentTime = 0);
  button.onclick = () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    if (audio.paused) audio.play().catch(show);
    else audio.pause();
  };
  place.oninput = () => duration && (audio.currentTime = (place.value / 1000) * duration);
  show();
  return make("div.player", { role: "group", "aria-label": name }, audio, button, place, time);
}
