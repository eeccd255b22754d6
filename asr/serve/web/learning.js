// What was corrected, and learning from it; the page has these where the operator allows them.

import { call } from "./api.js";
import { text } from "./texts.js";

const POLL_MS = 2000;
const $ = (id) => document.getElementById(id);

/** Whether corrected transcripts are kept here. */
export const keeps = () => "corrections" in document.body.dataset;
const learns = () => "learn" in document.body.dataset;

/** Keep a recording and its corrected transcript. */
export async function keep(file, transcript, heard, confidence) {
  const { text: said, duration_s, model, segments } = transcript;
  const form = new FormData();
  form.append("file", file, file.name);
  form.append("transcript", JSON.stringify({ text: said, duration_s, model, segments }));
  form.append("heard", heard);
  form.append("confidence", confidence);
  await call("v1/corrections", { method: "POST", body: form });
  await showKept();
}

let kept = 0;
let state = { status: "idle" };
let polling = false;

/** Show what was corrected. cards: those of the page; complain: shows an error. */
export function setUp(cards, complain) {
  if (!keeps()) return;
  const guarded = (action) => () => action().catch(complain);
  $("learning").hidden = false;
  $("order").onclick = () => order(cards);
  $("learn").hidden = !learns();
  $("learn").onclick = guarded(learn);
  $("stop-learning").onclick = guarded(() => call("v1/learn", { method: "DELETE" }));
  guarded(showKept)();
  if (learns()) guarded(poll)();
}

/** Put the cards whose transcripts are the least certain on top. */
function order(cards) {
  const surest = (card) => (card.state === "done" ? card.confidence : 2);
  const sorted = [...cards].sort((one, other) => surest(one) - surest(other));
  $("cards").append(...sorted.map(({ root }) => root));
}

async function showKept() {
  const { corrections } = await (await call("v1/corrections")).json();
  kept = corrections.length;
  show();
}

async function learn() {
  state = await (await call("v1/learn", { method: "POST" })).json();
  show();
  await poll();
}

/** Follow the job until it ends. */
async function poll() {
  if (polling) return;
  polling = true;
  try {
    do {
      state = await (await call("v1/learn")).json();
      show();
      if (state.status === "running") await new Promise((done) => setTimeout(done, POLL_MS));
    } while (state.status === "running");
  } finally {
    polling = false;
  }
}

/** Show it all, in the page's language. */
export function show() {
  if (!keeps()) return;
  const running = state.status === "running";
  $("kept").textContent = text("keptCount", { count: kept });
  $("learn").disabled = running || !kept;
  $("stop-learning").hidden = !running;
  const work = $("learning").querySelector(".work");
  work.hidden = !running;
  $("learning").ariaBusy = running;
  if (running) {
    work.querySelector(".stage").textContent = text(`stage_${state.stage}`);
    work.querySelector("progress").value = state.progress;
  }
  $("gain").textContent = running ? "" : outcome();
  $("gain").dataset.status = state.status;
}

function outcome() {
  const { status, result, folder, error } = state;
  if (status === "failed") return text("learnFailed", { error });
  if (status === "stopped") return text("stopped");
  if (!result) return "";
  const percent = (share) => (100 * share).toFixed(1);
  const { before, after, low, high } = result;
  const rates = text("gain", { before: percent(before), after: percent(after) });
  const interval = low === null ? text("noInterval")
    : text("interval", { low: percent(low), high: percent(high) });
  const verdict = text(result.accepted ? "accepted" : "worse", { folder });
  return `${rates} ${interval} ${verdict}`;
}
