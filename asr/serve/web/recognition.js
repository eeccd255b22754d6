// A file -> the service's answer: at once where it is short, else as a job with progress.

import { call, upload } from "./api.js";

const LONG_S = 60;
const LARGE = 10_000_000; // bytes
const POLL_MS = 500;

/**
 * Return the transcript of a file.
 *
 * options: name -> value, as the service's routes take them. report: called with the stage and,
 * where it is known, the share of it that is done.
 */
export async function transcribe(file, options, report, signal) {
  let asJob = file.size > LARGE || await durationOf(file) > LONG_S;
  const tried = new Set();
  for (;;) {
    signal.throwIfAborted();
    try {
      return await (asJob ? job : request)(file, options, report, signal);
    } catch (error) {
      const other = error.status === (asJob ? 404 : 413); // the service takes no jobs; too long
      if (error.status === 503) {
        report("queued");
        await wait(1000 * error.waitS, signal);
      } else if (other && !tried.has(!asJob)) {
        tried.add(asJob);
        asJob = !asJob;
      } else {
        throw error;
      }
    }
  }
}

function formOf(file, options) {
  const form = new FormData();
  for (const option of Object.entries(options)) form.append(...option);
  form.append("file", file, file.name);
  return form;
}

async function request(file, options, report, signal) {
  const sent = (share) => (share < 1 ? report("sending", share) : report("running"));
  const { results } = await upload("v1/transcribe", formOf(file, options), sent, signal);
  return results[0];
}

async function job(file, options, report, signal) {
  const sent = (share) => report("sending", share);
  const { id, ...first } = await upload("v1/jobs", formOf(file, options), sent, signal);
  const place = `v1/jobs/${id}`;
  try {
    let state = first;
    while (state.status !== "done") {
      if (state.status === "failed") throw new Error(state.error);
      report(state.status, state.status === "running" ? state.progress : undefined);
      await wait(POLL_MS, signal);
      state = await (await call(place, { signal })).json();
    }
    return await (await call(`${place}/transcript`, { signal })).json();
  } finally {
    call(place, { method: "DELETE" }).catch(() => {}); // stopped, or fetched: not needed any more
  }
}

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    setTimeout(resolve, ms);
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Return the seconds of a recording; 0 where the browser does not know. */
function durationOf(file) {
  return new Promise((resolve) => {
    const audio = new Audio();
    const end = (seconds) => {
      URL.revokeObjectURL(audio.src);
      resolve(seconds);
    };
    audio.preload = "metadata";
    audio.onloadedmetadata = () => end(audio.duration);
    audio.onerror = () => end(0);
    setTimeout(end, 3000, 0);
    audio.src = URL.createObjectURL(file);
  });
}
