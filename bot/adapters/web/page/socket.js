// The stream of what happens. It comes back by itself, and says where it had been, so that nothing is missed.

import * as api from "./api.js";

const SILENCE = 40_000; // milliseconds without a sign of life after which the connection counts as lost
const WAITS = [250, 500, 1000, 2000, 3000, 5000];
const GRACE = 700; // a connection that is back within this was never worth a word

export function listen({ onevent, onafresh, onlost, onback, onlocked }) {
  let place = "";
  let socket = null;
  let attempt = 0;
  let silence = 0;
  let retry = 0;
  let notice = 0;

  function connect() {
    clearTimeout(retry);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/api/events?after=${place}`);
    socket.onmessage = ({ data }) => {
      alive();
      hear(JSON.parse(data));
    };
    socket.onclose = lost;
    alive();
  }

  function hear(event) {
    if (event.kind === "hello") {
      attempt = 0;
      clearTimeout(notice);
      notice = 0;
      onback();
      if (event.afresh) {
        place = `${event.life}.${event.number}`;
        onafresh();
      }
    } else if (event.kind !== "beat") {
      if (event.number) place = `${place.split(".")[0]}.${event.number}`;
      onevent(event);
    }
  }

  function alive() {
    clearTimeout(silence);
    silence = setTimeout(() => socket.close(), SILENCE);
  }

  async function lost() {
    clearTimeout(silence);
    if (!notice) notice = setTimeout(onlost, GRACE);
    const wait = WAITS[Math.min(attempt++, WAITS.length - 1)];
    retry = setTimeout(connect, wait * (0.75 + Math.random() / 2));
    if (attempt > 1) {
      // A socket does not say why it was refused; a plain question does.
      const refused = await api.status().catch((error) => error.status === 401);
      if (refused === true) {
        clearTimeout(retry);
        clearTimeout(notice);
        onlocked();
      }
    }
  }

  // Whoever looks at the page again should not have to wait for the next attempt.
  const hurry = () => {
    if (socket.readyState === WebSocket.CLOSED) {
      attempt = 0;
      connect();
    }
  };
  addEventListener("online", hurry);
  document.addEventListener("visibilitychange", () => document.hidden || hurry());
  connect();
}
