// Talking to the server. Whatever goes wrong becomes a Trouble, whose message is a sentence for the person.

import { strings } from "./strings.js";

export class Trouble extends Error {
  constructor(message, status = 0, answer = null) {
    super(message);
    this.status = status;
    this.answer = answer; // what the server said beside the sentence
  }
}

const trouble = (status, answer) =>
  new Trouble(status === 401 ? strings.locked : answer?.error || strings.failed(status), status, answer);

async function ask(method, path, content) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: content ? { "Content-Type": "application/json" } : {},
      body: content ? JSON.stringify(content) : undefined,
    });
  } catch {
    throw new Trouble(strings.unreachable);
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw trouble(response.status, answer);
  return answer;
}

const roomPath = (room) => `/api/rooms/${room}`;

export const status = () => ask("GET", "/api/status");
export const rooms = () => ask("GET", "/api/rooms");
export const rename = (room, title) => ask("PATCH", roomPath(room), { title });
export const remove = (room) => ask("DELETE", roomPath(room));
export const stop = (room, message) => ask("POST", `${roomPath(room)}/stop`, { message });
export const press = (room, press) => ask("POST", `${roomPath(room)}/press`, press);
export const messages = (room, before = "") =>
  ask("GET", `${roomPath(room)}/messages${before ? `?before=${before}` : ""}`);
export const commands = () => ask("GET", "/api/commands");
export const communities = () => ask("GET", "/api/communities");
// A place is a room of this page, or a platform with a tenant and a channel; without room or channel, all of them.
export const settings = (place) => ask("GET", `/api/settings?${new URLSearchParams(place)}`);
export const choose = (place, topic, chosen, reset = []) => ask("PUT", "/api/settings", { ...place, topic, chosen, reset });
export const fileAddress = (file) => `/api/files/${file.id}`;

// Unlike fetch, this one reports how much of an upload has gone.
export function say(room, form, onprogress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${roomPath(room)}/messages`);
    request.upload.onprogress = (event) => event.lengthComputable && onprogress(event.loaded / event.total);
    request.onerror = () => reject(new Trouble(strings.unreachable));
    request.onload = () => {
      let answer = null;
      try {
        answer = JSON.parse(request.responseText);
      } catch {
        // Not one of our answers: its status says what there is to say.
      }
      if (request.status === 202 && answer) resolve(answer.message);
      else reject(trouble(request.status, answer));
    };
    request.send(form);
  });
}
