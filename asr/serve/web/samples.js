// The part of the microphone that runs beside the page: blocks of a tenth of a second, in 16 bits.

class Samples extends AudioWorkletProcessor {
  block = new Int16Array(Math.round(sampleRate / 10));
  filled = 0;

  process([[channel = []]]) {
    for (const value of channel) {
      this.block[this.filled++] = Math.max(-1, Math.min(1, value)) * 32767;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("samples", Samples);
