// A transcript on the page: played from any word, searched, edited.

import { clock, retimed, spaceBetween, speakersOf } from "./transcript.js";
import { text } from "./texts.js";

const UNSURE = 0.6; // confidence below which a word is underlined
const COLOURS = 6; // of speakers, in style.css
const found = highlight("found");
const foundHere = highlight("found-here");

export class Reader {
  /**
   * root: element that the paragraphs go into. audio: player of the recording.
   * say: tells screen readers a text. rename: called with a speaker's old and new name.
   */
  constructor(root, audio, say, rename) {
    Object.assign(this, { root, audio, say, rename, tokens: new Map(), chosen: null, matches: [] });
    root.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("keydown", (event) => this.pressed(event));
    audio.addEventListener("timeupdate", () => this.follow());
  }

  show(paragraphs, name) {
    this.clearSearch();
    this.tokens.clear();
    this.chosen = null;
    this.paragraphs = paragraphs;
    this.speakers = speakersOf(paragraphs);
    this.name = name;
    this.root.replaceChildren(...paragraphs.map((tokens) => this.paragraph(tokens)));
    this.spans = [...this.tokens.keys()];
    this.edit(false);
  }

  get editing() {
    return this.root.dataset.editing === "true";
  }

  get empty() {
    return !this.spans.length;
  }

  paragraph(tokens) {
    const row = document.createElement("div");
    const time = document.createElement("button");
    time.type = "button";
    time.className = "time";
    time.tabIndex = -1; // the keyboard reaches every word, see pressed()
    time.textContent = clock(tokens[0].start);
    time.ariaLabel = text("playFrom", { time: time.textContent });
    time.onclick = () => this.play(tokens[0].start);
    const body = document.createElement("p");
    tokens.forEach((token, place) => {
      if (place) body.append(spaceBetween(tokens[place - 1].text, token.text));
      body.append(this.word(token));
    });
    row.append(time, body);
    const { speaker } = tokens[0];
    if (speaker) {
      row.dataset.who = this.speakers.indexOf(speaker) % COLOURS;
      body.before(this.speaker(speaker));
    }
    return row;
  }

  /** Return the field that shows who speaks, and takes another name. */
  speaker(name) {
    const field = document.createElement("input");
    field.className = "speaker";
    field.value = name;
    field.maxLength = 60;
    field.ariaLabel = text("speakerName");
    field.onchange = () => {
      const given = field.value.replace(/[\s<>]+/g, " ").trim();
      field.value = given || name;
      if (given && given !== name) this.rename(name, given);
    };
    return field;
  }

  word(token) {
    const span = document.createElement("span");
    span.textContent = token.text;
    if (token.confidence < UNSURE) span.className = "unsure";
    span.title = `${clock(token.start)} · ${Math.round(100 * token.confidence)} %`;
    this.tokens.set(span, token);
    return span;
  }

  // playing

  play(seconds) {
    this.audio.currentTime = seconds;
    this.audio.play().catch(() => {}); // a file that the browser cannot play; the card says so
  }

  clicked(event) {
    const span = event.target.closest("span");
    if (this.editing || !span || !getSelection().isCollapsed) return;
    this.choose(span);
    this.play(this.tokens.get(span).start);
  }

  follow() {
    const now = this.audio.currentTime;
    const spans = this.spans;
    let [low, high] = [0, spans.length]; // the last word that has begun
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.tokens.get(spans[middle]).start <= now) low = middle + 1;
      else high = middle;
    }
    const span = this.audio.paused ? null : spans[low - 1];
    if (span === this.playing) return;
    this.playing?.classList.remove("playing");
    span?.classList.add("playing");
    this.playing = span;
  }

  pressed(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const paragraphs = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const plays = event.key === "Enter" || event.key === " ";
    const other = event.target !== this.root || event.ctrlKey || event.altKey || event.metaKey;
    if (this.editing || this.empty || other || !(step || paragraphs || plays)) return;
    event.preventDefault();
    if (plays) {
      if (event.key === " " && !this.audio.paused) return this.audio.pause();
      return this.play(this.tokens.get(this.chosen ?? this.spans[0]).start);
    }
    const place = this.spans.indexOf(this.chosen);
    if (step) this.choose(this.spans[place + step] ?? this.chosen ?? this.spans[0]);
    else this.choose(this.firstOf(paragraphs));
    const { start, text: word } = this.tokens.get(this.chosen);
    this.say(`${word}, ${clock(start)}`);
  }

  /** Return the first word of the paragraph so many after the chosen word's. */
  firstOf(step) {
    const rows = [...this.root.children];
    const place = this.chosen ? rows.indexOf(this.chosen.closest(".words > div")) + step : 0;
    return rows[Math.max(0, Math.min(place, rows.length - 1))].querySelector("span");
  }

  choose(span) {
    this.chosen?.classList.remove("chosen");
    this.chosen = span;
    span.classList.add("chosen");
    span.scrollIntoView({ block: "nearest" });
  }

  // editing

  edit(on) {
    const { root } = this;
    root.dataset.editing = on;
    root.tabIndex = on ? -1 : 0;
    root.role = "group";
    root.ariaLabel = text("words", { name: this.name });
    for (const row of root.children) {
      const [time, body] = [row.querySelector(".time"), row.querySelector("p")];
      body.contentEditable = on ? "plaintext-only" : "inherit";
      body.role = on ? "textbox" : null;
      body.ariaMultiLine = on ? "true" : null;
      body.ariaLabel = on ? text("paragraphAt", { time: time.textContent }) : null;
    }
    if (on) root.querySelector("p")?.focus();
  }

  /** End editing; return the paragraphs as they are now. */
  edited() {
    const bodies = [...this.root.querySelectorAll("p")];
    const paragraphs = bodies.map((body, place) => {
      const { speaker } = this.paragraphs[place][0];
      const tokens = retimed(this.pieces(body));
      return speaker ? tokens.map((token) => ({ ...token, speaker })) : tokens;
    });
    return paragraphs.filter((tokens) => tokens.length);
  }

  pieces(body) {
    return [...textNodes(body)].map((node) =>
      ({ text: node.data, token: this.tokens.get(node.parentElement) ?? null }));
  }

  // searching

  /** Mark what is searched; return how often it is there. */
  search(wanted) {
    this.clearSearch();
    const sought = wanted.trim().toLowerCase();
    if (!sought) return 0;
    for (const body of this.root.querySelectorAll("p")) {
      const nodes = [...textNodes(body)];
      const all = nodes.map((node) => node.data).join("").toLowerCase();
      for (let at = all.indexOf(sought); at >= 0; at = all.indexOf(sought, at + sought.length)) {
        this.matches.push(rangeOf(nodes, at, at + sought.length));
      }
    }
    this.matches.forEach((range) => found.add(range));
    return this.matches.length;
  }

  /** Show one match, by its number. */
  showMatch(place) {
    this.matches.forEach((range) => foundHere.delete(range));
    const range = this.matches[place];
    foundHere.add(range);
    range.startContainer.parentElement.scrollIntoView({ block: "nearest" });
    const span = range.startContainer.parentElement.closest("span");
    if (span && !this.editing) this.choose(span);
  }

  clearSearch() {
    for (const range of this.matches) {
      found.delete(range);
      foundHere.delete(range);
    }
    this.matches = [];
  }
}

/** Return the set of ranges that style.css marks by this name. */
function highlight(name) {
  if (!globalThis.Highlight) return new Set(); // an old browser: found, but not marked
  CSS.highlights.set(name, new Highlight());
  return CSS.highlights.get(name);
}

function* textNodes(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) yield walker.currentNode;
}

/** Return the range from one character to another in text nodes that follow each other. */
function rangeOf(nodes, start, stop) {
  const range = document.createRange();
  let before = 0;
  for (const node of nodes) {
    const after = before + node.length;
    if (before <= start && start < after) range.setStart(node, start - before);
    if (before < stop && stop <= after) range.setEnd(node, stop - before);
    before = after;
  }
  return range;
}
