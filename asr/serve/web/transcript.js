// Transcripts as the page holds them: paragraphs of tokens {text, start, end, confidence, mark},
// and speaker, where speakers were told apart.

const PARAGRAPH_PAUSE_S = 2; // as in the service's txt
const PARAGRAPH_S = 60; // after which a paragraph ends with the next sentence
const MARK = /[.,?!;:，。？！；：、]+$/u;
const WIDE_MARK = "[\\u3000-\\u3006\\u3008-\\u303f\\uff01-\\uff0f\\uff1a-\\uff20" +
  "\\uff3b-\\uff40\\uff5b-\\uff65]";
const HAN = "\\p{Script=Han}"; // the same rule as join_words of asr/text/chinese.py
const NO_SPACE = new RegExp(`(?<=${HAN}) (?=[${HAN}0-9])|(?<=[0-9%]) (?=${HAN})|` +
  `(?<=${WIDE_MARK}) | (?=${WIDE_MARK})`, "u");

/** Return the paragraphs of an answer of the service. */
export function paragraphsOf(answer) {
  const paragraphs = [];
  for (const segment of answer.segments ?? []) {
    for (const plain of tokensOf(segment)) {
      const token = segment.speaker ? { ...plain, speaker: segment.speaker } : plain;
      const last = paragraphs.at(-1);
      if (!last || begins(token, last)) paragraphs.push([token]);
      else last.push(token);
    }
  }
  return paragraphs;
}

function begins(token, paragraph) {
  const last = paragraph.at(-1);
  if (token.speaker !== last.speaker) return true;
  const pause = token.start - last.end;
  const ends = /[.?!。？！]$/u.test(last.mark) || (!last.mark && pause >= 0.5);
  return pause >= PARAGRAPH_PAUSE_S || (ends && last.end - paragraph[0].start >= PARAGRAPH_S);
}

function tokensOf(segment) {
  if (segment.written) return segment.written.tokens;
  if (!segment.words?.length) return segment.text ? [{ ...segment, mark: "" }] : [];
  return segment.words.map(({ word, ...times }) => ({ text: word, ...times, mark: "" }));
}

/** Return what stands between two words: nothing between Chinese characters. */
export function spaceBetween(before, after) {
  return NO_SPACE.test(`${before} ${after}`) ? "" : " ";
}

/** Return tokens, or whatever has a text, as one text. */
export function joined(tokens) {
  const between = (place) =>
    (place ? spaceBetween(tokens[place - 1].text, tokens[place].text) : "");
  return tokens.map(({ text }, place) => between(place) + text).join("");
}

/** Return paragraphs as plain text, with an empty line between two. */
export function asText(paragraphs) {
  const line = (tokens) => (tokens[0].speaker ? `${tokens[0].speaker}: ` : "") + joined(tokens);
  return paragraphs.map(line).join("\n\n") + "\n";
}

/** Return paragraphs that were edited in the form of the service's answers. */
export function asAnswer(answer, paragraphs) {
  const segments = paragraphs.map((tokens) => ({
    start: tokens[0].start,
    end: tokens.at(-1).end,
    text: joined(tokens),
    confidence: mean(tokens.map((token) => token.confidence)),
    ...(tokens[0].speaker && { speaker: tokens[0].speaker }),
    words: tokens.map(({ text, start, end, confidence }) =>
      ({ word: text, start, end, confidence })),
    written: {
      text: joined(tokens),
      tokens: tokens.map(({ speaker, ...token }, place) =>
        ({ ...token, first_word: place, stop_word: place + 1 })),
    },
  }));
  const all = joined(segments);
  return { ...answer, text: all, written: all, segments };
}

/** Return an answer of the service in which a speaker has another name. */
export function withName(answer, before, after) {
  const renamed = (part) => (part.speaker === before ? { ...part, speaker: after } : part);
  const { segments, turns } = answer;
  const named = turns && { turns: turns.map(renamed) };
  return { ...answer, segments: segments.map(renamed), ...named };
}

/** Return the names of the speakers of paragraphs, in the order in which they begin. */
export function speakersOf(paragraphs) {
  return [...new Set(paragraphs.map(([token]) => token.speaker).filter(Boolean))];
}

/**
 * Return the tokens of a paragraph that was edited.
 *
 * Each character that was there before brings its share of its token's time; what was typed between
 * two tokens gets the time between them.
 *
 * pieces: [{text, token}], token null where text was typed between tokens.
 */
export function retimed(pieces) {
  const tokens = [];
  let open = null; // characters of the token at hand
  const close = () => {
    if (open) tokens.push(open);
    open = null;
  };
  for (const { text, token } of pieces) {
    const letters = [...text];
    letters.forEach((letter, place) => {
      if (/\s/u.test(letter)) return close();
      const last = open?.at(-1);
      if (last && last.token !== token && spaceBetween(last.letter, letter) === "") close();
      const share = token ? (token.end - token.start) / letters.length : 0;
      const start = token ? token.start + share * place : null;
      (open ??= []).push({ letter, token, start, end: token ? start + share : null });
    });
  }
  close();
  return withTimes(tokens.map(asToken));
}

function asToken(letters) {
  const text = letters.map(({ letter }) => letter).join("");
  const timed = letters.filter(({ start }) => start !== null);
  const confidence = letters[0].token?.text === text ? letters[0].token.confidence : 1;
  const mark = text.match(MARK)?.[0] ?? "";
  return { text, start: timed[0]?.start, end: timed.at(-1)?.end, confidence, mark };
}

function withTimes(tokens) {
  let earliest = 0;
  return tokens.map((token, place) => {
    const next = tokens.slice(place).find(({ start }) => start !== undefined);
    const start = token.start ?? (earliest || next?.start || 0);
    const end = token.end ?? next?.start ?? start;
    earliest = end;
    return { ...token, start: rounded(start), end: rounded(Math.max(start, end)) };
  });
}

const rounded = (seconds) => Math.round(seconds * 1000) / 1000;
const mean = (values) => rounded(values.reduce((sum, value) => sum + value, 0) / values.length);

/** Return seconds as m:ss or h:mm:ss. */
export function clock(seconds) {
  const two = (value) => String(value).padStart(2, "0");
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
