// Requests to the service. Paths are relative, so that the page works behind a proxy's path.

import { text } from "./texts.js";

const KEY = "asr-key";

/** The service refused a request; waitS: seconds after which it may be asked again. */
export class Refused extends Error {
  constructor(status, content, waitS) {
    const detail = content?.detail ?? content?.error?.message;
    super(detail ? String(detail) : text("refused", { status }));
    Object.assign(this, { status, waitS: Number(waitS) || 5 });
  }
}

function authorization() {
  const key = sessionStorage.getItem(KEY);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Ask the user for the service's key; return whether one was given. */
async function askForKey() {
  const dialog = document.getElementById("key");
  if (!dialog.open) {
    dialog.returnValue = "";
    dialog.showModal();
  }
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  if (dialog.returnValue !== "ok") return false;
  sessionStorage.setItem(KEY, dialog.querySelector("input").value);
  return true;
}

/** Return the answer to a request. */
export async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { ...options, headers: { ...authorization(), ...options.headers } });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error(text("offline"));
  }
  if (answer.status === 401 && await askForKey()) return call(path, options);
  if (!answer.ok) {
    const content = await answer.json().catch(() => null);
    throw new Refused(answer.status, content, answer.headers.get("Retry-After"));
  }
  return answer;
}

/** Send a form and return the JSON of the answer; onProgress gets the share that is sent. */
export async function upload(path, form, onProgress, signal) {
  const request = await sent(path, form, onProgress, signal);
  if (request.status === 401 && await askForKey()) return upload(path, form, onProgress, signal);
  const content = parsed(request.responseText);
  if (request.status >= 300) {
    throw new Refused(request.status, content, request.getResponseHeader("Retry-After"));
  }
  return content;
}

function sent(path, form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch does not say how much is sent
    request.open("POST", path);
    for (const header of Object.entries(authorization())) request.setRequestHeader(...header);
    request.upload.onprogress = (event) => onProgress(event.loaded / event.total);
    request.onload = () => resolve(request);
    request.onerror = () => reject(new Error(text("offline")));
    request.onabort = () => reject(signal.reason);
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/** Return a WebSocket with these options in its query. */
export function openSocket(path, options) {
  const key = sessionStorage.getItem(KEY);
  const address = new URL(path, location.href);
  address.protocol = address.protocol.replace("http", "ws");
  address.search = new URLSearchParams({ ...options, ...(key ? { key } : {}) });
  return new WebSocket(address);
}
