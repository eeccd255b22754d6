// A recording on the page: waiting, at work, a transcript, or the reason why there is none.

import { keep, keeps } from "./learning.js";
import { Reader } from "./reader.js";
import { transcribe } from "./recognition.js";
import { FORMATS, save } from "./saving.js";
import { text, translate } from "./texts.js";
import { asAnswer, asText, clock, paragraphsOf, withName } from "./transcript.js";

export class Card {
  /**
   * say: tells screen readers a text. again: called when the user wants it transcribed anew.
   * removed: called when it is gone.
   */
  constructor(file, { say, again, removed }) {
    Object.assign(this, { file, say, removed, changed: false });
    const root = document.getElementById("card").content.cloneNode(true).firstElementChild;
    translate(root);
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.find("h2").textContent = file.name;
    this.find("audio").src = URL.createObjectURL(file);
    this.find("audio").ariaLabel = file.name;
    this.find("progress").ariaLabel = file.name;
    const rename = (before, after) => this.rename(before, after);
    this.reader = new Reader(this.find(".words"), this.find("audio"), say, rename);
    this.find(".again").onclick = () => again(this);
    this.find(".remove").onclick = () => this.remove();
    this.addTools();
    this.wait();
  }

  addTools() {
    const search = this.find("input");
    search.oninput = () => this.search();
    search.onkeydown = (event) => {
      if (event.key === "Enter") this.nextMatch(event.shiftKey ? -1 : 1);
    };
    this.find(".edit").onclick = () => this.edit();
    this.find(".copy").onclick = () => this.copy();
    this.find(".keep").hidden = !keeps();
    this.find(".keep").onclick = () => this.keep();
    for (const format of FORMATS) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = format.toUpperCase();
      button.onclick = () => this.save(format);
      this.find(".save").append(button);
    }
  }

  // states

  wait() {
    this.controller?.abort();
    this.set("waiting");
    this.report("waiting");
  }

  /** Transcribe with these options; the promise is never rejected. */
  async run(options) {
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.set("working");
    const report = (stage, share) => !signal.aborted && this.report(stage, share);
    try {
      const answer = await transcribe(this.file, options, report, signal);
      if (!signal.aborted) this.show(answer);
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }

  set(state) {
    this.root.dataset.state = this.state = state;
    this.root.ariaBusy = state === "waiting" || state === "working";
    this.find(".work").hidden = !this.root.matches('[aria-busy="true"]');
    this.find(".result").hidden = state !== "done";
    this.find(".error").hidden = state !== "failed";
    this.find(".notes").hidden = true;
    this.find(".again").hidden = state !== "done" && state !== "failed";
    if (state !== "done") this.find(".facts").textContent = "";
  }

  report(stage, share) {
    const done = share === undefined ? "" : ` ${Math.round(100 * share)} %`;
    this.find(".stage").textContent = text(stage) + done;
    const progress = this.find("progress");
    progress.hidden = stage === "waiting";
    if (share === undefined) progress.removeAttribute("value");
    else progress.value = share;
  }

  fail(error) {
    this.set("failed");
    this.find(".error").textContent = error.message;
    this.say(text("failed", { name: this.file.name, reason: error.message }));
  }

  /** Show an answer of the service. */
  show(answer) {
    this.answer = answer;
    this.changed = false;
    this.set("done");
    this.find(".notes").replaceChildren();
    (answer.notes ?? []).forEach((note) => this.note(note));
    this.find("audio").onerror = () => this.note(text("unplayable"));
    if (this.find("audio").error) this.note(text("unplayable"));
    this.showParagraphs(paragraphsOf(answer));
    this.say(text("done", { name: this.file.name }));
  }

  showParagraphs(paragraphs) {
    this.reader.show(paragraphs, this.file.name);
    this.paragraphs = paragraphs;
    const tokens = paragraphs.flat();
    const facts = { time: clock(this.answer.duration_s), count: tokens.length };
    this.find(".facts").textContent = text("facts", { ...facts, model: this.answer.model });
    const hint = tokens.length ? `${text("unsure")} ${text("wordsHint")}` : text("nothing");
    this.find(".legend").textContent = hint;
    this.search();
  }

  note(sentence) {
    const item = document.createElement("li");
    item.textContent = sentence;
    this.find(".notes").append(item);
    this.find(".notes").hidden = false;
  }

  remove() {
    this.controller?.abort();
    this.state = "removed";
    this.find("audio").pause();
    URL.revokeObjectURL(this.find("audio").src);
    const next = this.root.nextElementSibling ?? this.root.previousElementSibling;
    (next?.querySelector(".remove") ?? document.getElementById("choose")).focus();
    this.root.remove();
    this.removed(this);
  }

  /** Speak the page's language, which has changed. */
  speak() {
    if (this.state !== "done") return;
    this.takeEdits();
    this.showParagraphs(this.paragraphs);
  }

  // tools

  edit() {
    const on = !this.reader.editing;
    this.find(".edit").ariaPressed = on;
    if (on) this.reader.edit(true);
    else this.takeEdits();
  }

  /** End editing, and keep what was written. */
  takeEdits() {
    if (!this.reader.editing) return;
    const paragraphs = this.reader.edited();
    this.changed ||= asText(paragraphs) !== asText(this.paragraphs);
    this.find(".edit").ariaPressed = false;
    this.showParagraphs(paragraphs);
  }

  /** Give a speaker another name; one that another speaker has puts the two together. */
  rename(before, after) {
    this.takeEdits();
    this.answer = withName(this.answer, before, after);
    const named = (token) => (token.speaker === before ? { ...token, speaker: after } : token);
    this.showParagraphs(this.paragraphs.map((tokens) => tokens.map(named)));
    this.say(text("renamed", { before, after }));
  }

  /** The transcript as it is now, in the form of the service's answers. */
  get current() {
    this.takeEdits();
    return this.changed ? asAnswer(this.answer, this.paragraphs) : this.answer;
  }

  async copy() {
    this.takeEdits();
    await navigator.clipboard.writeText(asText(this.paragraphs));
    this.find(".copy").textContent = text("copied");
    this.say(text("copied"));
    setTimeout(() => { this.find(".copy").textContent = text("copy"); }, 2000);
  }

  /** How sure the service was of its words, 0 to 1. */
  get confidence() {
    const words = (this.answer.segments ?? []).flatMap((segment) => segment.words ?? []);
    const sum = words.reduce((total, word) => total + word.confidence, 0);
    return words.length ? sum / words.length : 0;
  }

  /** Keep the transcript as it is now for learning. */
  async keep() {
    const button = this.find(".keep");
    button.disabled = true;
    try {
      await keep(this.file, this.current, this.answer.text, this.confidence);
      button.textContent = text("kept");
      this.say(text("kept"));
      setTimeout(() => { button.textContent = text("keep"); }, 2000);
    } catch (error) {
      this.note(error.message);
      this.say(error.message);
    }
    button.disabled = false;
  }

  save(format) {
    save(this.current, this.paragraphs, format, this.file.name).catch((error) => {
      this.note(error.message);
      this.say(error.message);
    });
  }

  search() {
    const wanted = this.find("input").value;
    this.matchPlace = -1;
    this.matchCount = this.reader.search(wanted);
    this.find(".count").textContent = wanted && !this.matchCount ? text("noMatch") : "";
    if (this.matchCount) this.nextMatch(1);
  }

  nextMatch(step) {
    const count = this.matchCount;
    if (!count) return;
    this.matchPlace = (this.matchPlace + step + count) % count;
    this.reader.showMatch(this.matchPlace);
    this.find(".count").textContent = text("matches", { here: this.matchPlace + 1, count });
  }
}
