// Keeps what is entered in the browser, and saves it as a table of id and text.
const key = "corrections of " + document.title;
const store = (() => { try { return JSON.parse(localStorage.getItem(key)) || {}; } catch { return {}; } })();
const articles = [...document.querySelectorAll("article")];

function correction(article) {
  const area = article.querySelector("textarea"), drop = article.querySelector("input").checked;
  const text = area.value.split(/\s+/).filter(Boolean).join(" ");
  if (drop) return "";
  return text === area.defaultValue.split(/\s+/).filter(Boolean).join(" ") ? null : text;
}

function corrections() {
  return articles.map(a => [a.dataset.id, correction(a)]).filter(([, text]) => text !== null);
}

function update() {
  const rows = corrections();
  document.getElementById("count").textContent = rows.length + " corrected or dropped";
  try { localStorage.setItem(key, JSON.stringify(Object.fromEntries(rows))); } catch { /* a private window */ }
}

for (const article of articles) {
  const kept = store[article.dataset.id];
  if (kept === "") article.querySelector("input").checked = true;
  else if (kept !== undefined) article.querySelector("textarea").value = kept;
  article.addEventListener("input", update);
}

document.getElementById("save").addEventListener("click", () => {
  const rows = [["id", "text"], ...corrections()].map(row => row.join("\t") + "\n");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(rows, { type: "text/tab-separated-values" }));
  link.download = "corrections.tsv";
  link.click();
  URL.revokeObjectURL(link.href);
});
update();
