// Loaded into the Agents Playground before it starts, because it knows neither of these:
// it listens on every address of the machine and asks nobody who they are, and it does not end with who started it.
"use strict";
const net = require("net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === "object" && first !== null && first.port !== undefined) {
    return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest);
  }
  if (first !== null && first !== "" && !Number.isNaN(Number(first))) {
    return listen.call(this, first, "127.0.0.1", ...rest.filter((each) => typeof each === "function"));
  }
  return listen.call(this, first, ...rest);
};

const parley = Number(process.env.PLAYS_BESIDE);
if (parley) {
  setInterval(() => {
    try {
      process.kill(parley, 0);
    } catch {
      process.exit();
    }
  }, 1000).unref();
}
