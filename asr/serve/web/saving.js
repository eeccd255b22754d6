// A transcript as a file. The service makes subtitles and tables, by its own rules.

import { call } from "./api.js";
import { asText } from "./transcript.js";

export const FORMATS = ["txt", "srt", "vtt", "json", "tsv"];

/** Save an answer, whose text stands in these paragraphs too, as NAME.FORMAT. */
export async function save(answer, paragraphs, format, name) {
  const content = await contentOf(answer, paragraphs, format);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "text/plain" }));
  link.download = `${name.replace(/\.\w{1,5}$/, "")}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function contentOf(answer, paragraphs, format) {
  if (format === "txt") return asText(paragraphs);
  if (format === "json") return `${JSON.stringify(answer, null, 1)}\n`;
  const { text, duration_s, model, segments } = answer;
  const body = JSON.stringify({ text, duration_s, model, segments });
  const headers = { "Content-Type": "application/json" };
  const path = `v1/render?output_format=${format}`;
  return (await call(path, { method: "POST", body, headers })).text();
}
