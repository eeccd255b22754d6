// Speech from the microphone: words appear as they are said, and the recording is kept.

import { openSocket } from "./api.js";
import { text } from "./texts.js";
import { joined } from "./transcript.js";

export class Recording {
  /** options: of the stream. show: called with final segments and the text of the partial one. */
  constructor(options, show) {
    Object.assign(this, { options, show, blocks: [], segments: [], rate: 0 });
  }

  get seconds() {
    return this.blocks.reduce((sum, block) => sum + block.length, 0) / this.rate || 0;
  }

  /** Begin; the promise is rejected with what the user is to be told. */
  async start() {
    this.microphone = await opened();
    this.context = new AudioContext();
    this.rate = Math.round(this.context.sampleRate);
    await this.context.audioWorklet.addModule(new URL("samples.js", import.meta.url));
    this.socket = openSocket("v1/stream", { ...this.options, sample_rate: this.rate });
    this.ended = new Promise((resolve) => this.listen(resolve));
    const node = new AudioWorkletNode(this.context, "samples");
    node.port.onmessage = ({ data }) => this.push(data);
    this.context.createMediaStreamSource(this.microphone).connect(node);
  }

  push(block) {
    this.blocks.push(block);
    if (this.socket.readyState === WebSocket.OPEN) {
      const waiting = this.sent ? [block] : this.blocks; // what was said while it opened
      waiting.forEach((one) => this.socket.send(one.buffer));
      this.sent = true;
    }
  }

  /** Take results until the connection ends; then resolve with an error, or nothing. */
  listen(resolve) {
    let reason;
    this.socket.onmessage = ({ data }) => {
      const result = JSON.parse(data);
      if (result.type === "final") this.segments.push(result);
      if (result.type === "error") reason = new Error(result.detail);
      this.show(this.segments, result.type === "partial" ? result.text : "");
    };
    this.socket.onclose = ({ code }) => {
      this.release();
      resolve(reason ?? (code === 1000 ? undefined : new Error(text("offline"))));
    };
  }

  /** End the recording; the last results still come, then `ended` is resolved. */
  stop() {
    this.release();
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send('{"type": "end"}');
    else this.socket.close();
  }

  release() {
    this.microphone.getTracks().forEach((track) => track.stop());
    if (this.context.state !== "closed") this.context.close();
  }

  /** Return what was said in the form of the service's answers. */
  answer() {
    const segments = this.segments.filter((segment) => segment.words.length);
    return { duration_s: this.seconds, segments, text: joined(segments) };
  }

  /** Return the recording as a WAV file. */
  file() {
    const bytes = 2 * this.blocks.reduce((sum, block) => sum + block.length, 0);
    const header = new DataView(new ArrayBuffer(44));
    const tag = (place, letters) =>
      [...letters].forEach((letter, n) => header.setUint8(place + n, letter.charCodeAt(0)));
    const numbers = (list) => list.forEach(([place, size, value]) =>
      header[`setUint${size}`](place, value, true));
    tag(0, "RIFF");
    tag(8, "WAVEfmt ");
    tag(36, "data");
    numbers([[4, 32, 36 + bytes], [16, 32, 16], [20, 16, 1], [22, 16, 1], [24, 32, this.rate],
      [28, 32, 2 * this.rate], [32, 16, 2], [34, 16, 16], [40, 32, bytes]]);
    const when = new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");
    return new File([header, ...this.blocks], `recording-${when}.wav`, { type: "audio/wav" });
  }
}

async function opened() {
  if (!navigator.mediaDevices) throw new Error(text("needsHttps"));
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch (error) {
    const name = { NotAllowedError: "microphoneDenied", NotFoundError: "noMicrophone" }[error.name];
    throw name ? new Error(text(name)) : error;
  }
}
