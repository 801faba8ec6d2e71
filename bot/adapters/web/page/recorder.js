// Recording a voice note: it shows that it listens and for how long.

import { find, make, icon } from "./dom.js";
import { lengthOf, strings } from "./strings.js";

const TYPES = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"];
const LONGEST = 5 * 60; // seconds; longer ones are not listened to
const BARS = 32;

export class Recorder {
  // `onstate(recording)` is called when recording begins and ends.
  constructor({ onstate, onproblem }) {
    this.panel = find("recording");
    this.onstate = onstate;
    this.onproblem = onproblem;
    this.active = false;
  }

  // Resolves to a File, or to null when there is nothing to send.
  async record() {
    if (this.active) return null;
    if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
      this.onproblem(strings.noMicrophone);
      return null;
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      this.onproblem(strings.microphoneDenied);
      return null;
    }
    const type = TYPES.find((each) => MediaRecorder.isTypeSupported(each)) ?? "";
    const recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    const pieces = [];
    recorder.ondataavailable = (event) => event.data.size && pieces.push(event.data);
    this.active = true;
    this.onstate(true);
    const level = listenTo(stream);
    const keep = await new Promise((resolve) => {
      const stop = (answer) => {
        recorder.onstop = () => resolve(answer);
        if (recorder.state === "inactive") resolve(answer);
        else recorder.stop();
      };
      this.cancel = () => stop(false);
      this.finish = () => stop(true);
      this.#show(recorder, level, stop);
      recorder.onstop = () => resolve(true); // the microphone was taken away: what there is, is kept
      recorder.start(500);
    });
    clearInterval(this.timer);
    level.close();
    for (const track of stream.getTracks()) track.stop();
    this.panel.hidden = true;
    this.active = false;
    this.onstate(false);
    if (!keep) return null;
    const kind = (recorder.mimeType || "audio/webm").split(";")[0];
    const sound = new Blob(pieces, { type: kind });
    if (!sound.size) {
      this.onproblem(strings.nothingRecorded);
      return null;
    }
    const name = `${strings.voiceNote}.${kind.split("/")[1].replace("mp4", "m4a")}`;
    return new File([sound], name, { type: kind });
  }

  #show(recorder, level, stop) {
    const started = performance.now();
    const bars = Array.from({ length: BARS }, () => make("span.bar"));
    const time = make("span.time", { role: "timer", "aria-label": strings.recordingLength }, "0:00");
    const send = make("button.send", { type: "button", onclick: () => stop(true), "aria-label": strings.sendRecording, title: strings.sendRecording }, icon("send"));
    this.panel.replaceChildren(
      make("button.plain", { type: "button", onclick: () => stop(false) }, strings.cancelRecording),
      make("span.recording-dot", { role: "img", "aria-label": strings.recording }),
      time,
      make("div.bars", { "aria-hidden": "true" }, ...bars),
      send,
    );
    this.panel.hidden = false;
    send.focus();
    const heights = new Array(BARS).fill(0);
    this.timer = setInterval(() => {
      const seconds = (performance.now() - started) / 1000;
      time.textContent = lengthOf(seconds);
      heights.push(level.now());
      heights.shift();
      bars.forEach((bar, index) => bar.style.setProperty("--level", heights[index].toFixed(2)));
      if (seconds >= LONGEST && recorder.state === "recording") stop(true);
    }, 100);
  }
}

// How loud it is just now, from 0 to 1.
function listenTo(stream) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 512;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    now() {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      return Math.min(1, Math.sqrt(power) * 4);
    },
    close: () => context.close(),
  };
}
