// The page: files and the microphone in, a card for each recording out.

import { call } from "./api.js";
import { Card } from "./card.js";
import { setUp, show as showLearning } from "./learning.js";
import { Recording } from "./microphone.js";
import { speak, text } from "./texts.js";
import { clock, joined, paragraphsOf } from "./transcript.js";

const $ = (id) => document.getElementById(id);
const cards = new Set();
const queue = []; // cards that wait
let busy = false;
let recording = null;

// settings

const SETTINGS = "asr-settings";
const LANGUAGE = "asr-language";

function settings() {
  return Object.fromEntries([...$("settings").elements].map((field) =>
    [field.name, field.type === "checkbox" ? field.checked : field.value.trim()]));
}

/** The settings as options of a request: what the service decides by itself is left out. */
function options() {
  const { punctuation, speakers, num_speakers, ...given } = settings();
  const plain = punctuation ? {} : { punctuation };
  const who = speakers ? { speakers, num_speakers } : {};
  return Object.fromEntries(Object.entries({ ...given, ...plain, ...who }).filter(([, value]) =>
    value !== ""));
}

function restoreSettings() {
  const kept = JSON.parse(localStorage.getItem(SETTINGS) ?? "{}");
  for (const field of $("settings").elements) {
    if (!(field.name in kept)) continue;
    if (field.type === "checkbox") field.checked = kept[field.name];
    else if (field.tagName !== "SELECT") field.value = kept[field.name];
    else if ([...field.options].some(({ value }) => value === kept[field.name])) {
      field.value = kept[field.name];
    }
  }
  showSettings();
}

function showSettings() {
  const { speakers, num_speakers } = $("settings").elements;
  num_speakers.closest("label").hidden = !speakers.checked;
}

async function listModels() {
  const { data } = await (await call("v1/models")).json();
  const models = data.filter((model) => model.task === "ctc");
  if (models.filter((model) => model.share > 0).length > 1) {
    const any = new Option(text("anyModel"), "");
    any.dataset.text = "anyModel";
    $("model").append(any);
  }
  for (const { name } of models) $("model").append(new Option(name, name));
}

// files

function add(files) {
  queue.push(...newCards([...files]));
  work();
}

/** Return cards in the order of their files; the newest lot is on top. */
function newCards(files) {
  const made = files.map((file) => new Card(file, { say, again, removed }));
  $("cards").prepend(...made.map(({ root }) => root));
  made.forEach((card) => cards.add(card));
  return made;
}

function removed(card) {
  cards.delete(card);
}

function again(card) {
  card.wait();
  queue.push(card);
  work();
}

async function work() {
  if (busy) return;
  busy = true;
  while (queue.length) {
    const card = queue.shift();
    if (card.state === "waiting") await card.run(options());
  }
  busy = false;
}

function say(sentence) {
  $("status").textContent = sentence;
}

// microphone

async function record() {
  $("message").hidden = true;
  if (recording) return recording.stop();
  try {
    const { model, hotwords, numbers, punctuation } = options();
    const asked = { model, hotwords, numbers, punctuation };
    const given = Object.entries(asked).filter(([, value]) => value !== undefined);
    recording = new Recording(Object.fromEntries(given), showLive);
    showLive([], "");
    await recording.start();
    await whileRecording(recording);
  } catch (error) {
    complain(error);
  }
  recording = null;
}

async function whileRecording(current) {
  const ticking = setInterval(() => {
    $("live-clock").textContent = text("recording", { time: clock(current.seconds) });
  }, 250);
  showRecording(true);
  const error = await current.ended;
  clearInterval(ticking);
  showRecording(false);
  if (error) complain(error);
  if (current.seconds) {
    const [card] = newCards([current.file()]);
    const model = current.options.model ?? text("anyModel");
    card.show({ ...current.answer(), model });
  }
}

function showRecording(on) {
  const label = $("record").querySelector("span");
  label.dataset.text = on ? "stop" : "record";
  label.textContent = text(label.dataset.text);
  $("record").classList.toggle("on", on);
  $("live").hidden = !on;
  $("live-clock").textContent = "";
}

function showLive(segments, partial) {
  const said = joined(paragraphsOf({ segments }).flat());
  const unsettled = document.createElement("span");
  unsettled.className = "soft";
  unsettled.textContent = partial;
  const nothing = !said && !partial ? text("listening") : "";
  $("live-text").replaceChildren(nothing, said, " ", unsettled);
}

function complain(error) {
  $("message").textContent = error.message;
  $("message").hidden = false;
}

// events

$("choose").onclick = () => $("files").click();
$("files").onchange = ({ target }) => {
  add(target.files);
  target.value = ""; // so that the same file can be chosen again
};
$("record").onclick = record;
$("settings").oninput = () => {
  localStorage.setItem(SETTINGS, JSON.stringify(settings()));
  showSettings();
};
$("settings").onsubmit = (event) => event.preventDefault();
$("language").onchange = ({ target }) => {
  localStorage.setItem(LANGUAGE, target.value);
  speak(target.value);
  cards.forEach((card) => card.speak());
  showLearning();
};
document.addEventListener("play", ({ target }) => {
  for (const other of document.querySelectorAll("audio")) if (other !== target) other.pause();
}, true);
addEventListener("beforeunload", (event) => {
  if (recording || [...cards].some((card) => card.changed)) event.preventDefault();
});
let depth = 0; // of elements that a dragged file is over
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    depth = kind === "drop" ? 0 : depth + ((kind === "dragenter") - (kind === "dragleave"));
    $("drop").classList.toggle("over", depth > 0);
    if (kind === "drop") add(event.dataTransfer.files);
  });
}

$("language").value = speak(localStorage.getItem(LANGUAGE));
listModels().then(restoreSettings, complain).then(() => setUp(cards, complain));
