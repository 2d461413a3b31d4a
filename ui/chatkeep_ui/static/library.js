// Files that are dropped or chosen travel one by one, with a bar each; rows of documents are kept as they are by now.
// Without this file the form sends them all at once, and a reload shows how far they are.
"use strict";

const LOOK_EVERY = 1_500;
const LOOK_AT_LEAST_EVERY = 15_000;

const upload = document.querySelector("[data-upload]");
const sending = document.querySelector("[data-sending]");
const waiting = [];
let travelling = false;

function tell(words) {
  const voice = document.querySelector("[data-tell]");
  if (voice) voice.textContent = words;
}

// What a file's name may do to a line, the server's `visible` undoes; here it has not been there yet.
function visible(name) {
  return name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (each) => /[\u200c\u200d]/.test(each) ? each : "\ufffd");
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function queue(files) {
  for (const file of files) {
    const name = visible(file.name);
    const bar = element("progress", { max: 1, value: 0 });
    bar.setAttribute("aria-label", `Sending ${name}`);
    const says = element("p", { className: "standing" }, element("span", { textContent: "Waiting" }), bar);
    const button = element("button", { type: "button", className: "go small plain", textContent: "Cancel" });
    button.setAttribute("aria-label", `Cancel sending ${name}`);
    const title = element("strong", { className: "file" }, element("bdi", { textContent: name }));
    const row = element("li", {}, element("div", {}, title, says), button);
    const one = { file, name, row, says, bar, button, request: null };
    button.addEventListener("click", () => { drop(one); });
    sending.append(row);
    waiting.push(one);
  }
  sending.hidden = !sending.children.length;
  sendNext();
}

function drop(one) {
  const place = waiting.indexOf(one);
  if (place >= 0) waiting.splice(place, 1);
  one.request?.abort();
  one.row.remove();
  sending.hidden = !sending.children.length;
}

function sendNext() {
  const one = travelling ? null : waiting.shift();
  if (!one) return;
  travelling = true;
  const form = new FormData();
  for (const hidden of upload.querySelectorAll("input[type=hidden]")) form.append(hidden.name, hidden.value);
  form.append("file", one.file);
  const request = one.request = new XMLHttpRequest();
  request.open("POST", upload.action);
  request.responseType = "document";
  request.upload.addEventListener("progress", (event) => {
    one.bar.value = event.total ? event.loaded / event.total : 0;
    one.says.firstChild.textContent = event.loaded < event.total ? `${Math.floor(100 * one.bar.value)} %` : "Arriving";
  });
  request.addEventListener("load", () => { arrived(one, request); });
  request.addEventListener("error", () => { refused(one, "The connection broke. Send it again."); });
  request.addEventListener("loadend", () => { travelling = false; sendNext(); });
  request.send(form);
}

function arrived(one, request) {
  if (!new URL(request.responseURL).pathname.startsWith("/library")) { location.reload(); return; }
  const wrong = request.response?.querySelector("[role=alert]");
  if (wrong || request.status >= 400) {
    refused(one, wrong?.textContent ?? "It could not be stored. Send it again.");
    return;
  }
  one.row.remove();
  sending.hidden = !sending.children.length;
  tell(`${one.name} has arrived`);
  takeOver(request.response);
}

function refused(one, why) {
  one.says.replaceWith(element("p", { className: "wrong", textContent: why }));
  one.button.textContent = "Dismiss";
  one.button.setAttribute("aria-label", `Dismiss ${one.name}`);
  tell(`${one.name} was not stored: ${why}`);
}

if (upload) {
  const input = upload.querySelector("input[type=file]");
  upload.querySelector("button").hidden = true;
  upload.querySelector("[data-can-drop]").hidden = false;
  input.addEventListener("change", () => { queue(input.files); input.value = ""; });
  // The whole page takes them: a file dropped beside the box would otherwise open in place of the page.
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    upload.classList.add("over");
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) upload.classList.remove("over"); });
  addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    upload.classList.remove("over");
    queue(event.dataTransfer.files);
  });
  addEventListener("beforeunload", (event) => { if (travelling) event.preventDefault(); });
}

// Rows that have changed are put in place of those shown, unless somebody is about to delete there.
function takeOver(page) {
  const list = document.getElementById("documents");
  const fresh = page?.getElementById("documents");
  if (!list || !fresh) return;
  for (const row of list.querySelectorAll(":scope > li")) {
    if (!row.id || !fresh.querySelector(`#${row.id}`)) row.remove();
  }
  let before = null;
  for (const row of [...fresh.children]) {
    const shown = row.id ? document.getElementById(row.id) : null;
    before = shown ? replaced(shown, row) : placed(list, row, before);
  }
  for (const part of page.querySelectorAll("[data-fresh]")) document.getElementById(part.id)?.replaceWith(part);
  lookAgain(LOOK_EVERY);
}

function placed(list, row, before) {
  showLocalTimes(row);
  before ? before.after(row) : list.prepend(row);
  return row;
}

function replaced(shown, row) {
  if (shown.dataset.version === row.dataset.version || shown.querySelector("details[open]")) return shown;
  const held = shown.contains(document.activeElement) ? document.activeElement : null;
  showLocalTimes(row);
  shown.replaceWith(row);
  if (held) (row.querySelector(`[value="${held.value}"]`) ?? row.querySelector("form a, form button")).focus();
  if ("unfinished" in shown.dataset && !("unfinished" in row.dataset)) tell(row.dataset.tells);
  return row;
}

let looking = 0;
function lookAgain(after) {
  clearTimeout(looking);
  if (document.hidden || !document.querySelector("[data-unfinished]")) return;
  looking = setTimeout(async () => {
    try {
      const answer = await fetch(location.pathname + location.search, { cache: "no-store" });
      if (!new URL(answer.url).pathname.startsWith("/library")) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      lookAgain(Math.min(2 * after, LOOK_AT_LEAST_EVERY));
    }
  }, after);
}

document.addEventListener("visibilitychange", () => { lookAgain(0); });
lookAgain(LOOK_EVERY);
