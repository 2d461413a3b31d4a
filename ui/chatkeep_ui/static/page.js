// Beside Streamlit's own script: keeps the sign-in fresh, copies answers, and mends what a reader with a keyboard or
// a screen reader would trip over. It never sees a token: cookies are HttpOnly, and /session/renew answers 204.
"use strict";

const RENEW_EVERY = 60_000;
const PHONE = matchMedia("(max-width: 768px)");

let renewing = null;

function renew() {
  renewing ??= fetch("/session/renew", { method: "POST", keepalive: true, cache: "no-store" })
    .then((response) => {
      if (response.status === 401) leave();
      return response.ok;
    })
    .catch(() => false)
    .finally(() => { renewing = null; });
  return renewing;
}

// Whoever signs out is on the way to the page that says so, and not to the one for a sign-in that has ended.
let signingOut = false;
addEventListener("submit", (event) => { signingOut ||= event.target.getAttribute("action") === "/sign-out"; });

function leave() {
  if (signingOut) return;
  const chat = new URLSearchParams(location.search).get("chat");
  location.replace("/sign-in?because=ended" + (chat ? "&chat=" + encodeURIComponent(chat) : ""));
}

setInterval(renew, RENEW_EVERY);
document.addEventListener("visibilitychange", async () => {
  if (document.hidden) return;
  // Another device, too, may have gone on with this chat in the meantime.
  if (await renew()) refresh();
});
addEventListener("online", renew);

// The server-side script shows this button when its access token has expired.
let answering = false;
let askedBefore = false;
async function answerRenewal() {
  const button = document.querySelector(".st-key-ck-renewed button");
  if (!button) { askedBefore = false; return; }
  if (answering) return;
  answering = true;
  if (await renew()) {
    // Renewed, and asked again: this tab lives by a page cookie that is no more. A new page has the new one.
    if (askedBefore) location.reload();
    askedBefore = true;
    document.querySelector(".st-key-ck-renewed button")?.click();
  }
  setTimeout(() => { answering = false; answerRenewal(); }, 3000);
}

// A new message and a growing answer stay in sight, unless the reader has scrolled away from the end.
let atEnd = true;
let shownChat = null;

function stayAtEnd(main) {
  const chat = new URLSearchParams(location.search).get("chat");
  if (chat !== shownChat) { shownChat = chat; atEnd = true; }
  if (chat && atEnd) main.scrollTop = main.scrollHeight;
}

function watchScroll(main) {
  // Only the reader's own scrolling counts; what we or a longer page cause moves nothing by wheel, touch or key.
  const look = (event) => {
    // Who uses a button of a message looks at that message.
    if (event.target.closest?.(".ck-tools")) { atEnd = false; return; }
    requestAnimationFrame(() => { atEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80; });
  };
  for (const kind of ["wheel", "touchmove", "keyup", "pointerup"]) main.addEventListener(kind, look, { passive: true });
}

// A message that was looked for comes into sight once.
let foundBefore = null;
function stayAtFound() {
  const found = document.querySelector("[data-ck-found]");
  const id = found?.dataset.ckFound ?? null;
  if (id !== foundBefore) {
    foundBefore = id;
    if (found) { atEnd = false; found.scrollIntoView({ block: "center" }); found.focus({ preventScroll: true }); }
  }
}

// When earlier messages come in above, what the reader sees stays where it is.
let fromEnd = null;
function stayAtSame(main) {
  if (fromEnd === null || main.scrollHeight === fromEnd.height) return;
  main.scrollTop = main.scrollHeight - fromEnd.distance;
  fromEnd = null;
}

// What was clicked within a message goes to the script by its one hidden box (clicks.py).
const setValue = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set;
let focusWanted = null;
function tell(button) {
  const box = document.querySelector(".st-key-ck-click input");
  if (!box) return;
  const [verb] = button.dataset.ckClick.split(" ");
  if (verb === "open") foundBefore = null;
  if (verb === "again") atEnd = true;
  focusWanted = verb === "edit" ? ".st-key-ck-editor textarea" : sameButton(button);
  setValue.call(box, button.dataset.ckClick);
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
}

// The conversation is drawn anew, and the button that had the focus is gone: its successor gets it.
function sameButton(button) {
  const place = button.closest("[data-ck-place]")?.dataset.ckPlace;
  const name = button.getAttribute("aria-label");
  return place && name ? `[data-ck-place="${place}"] [aria-label="${name}"]` : null;
}

function keepFocus() {
  if (!focusWanted || (document.activeElement && document.activeElement !== document.body)) return;
  const wanted = document.querySelector(focusWanted);
  if (wanted?.disabled) { wanted.closest(".ck-tools").querySelector("button:not(:disabled)")?.focus(); focusWanted = null; }
  else if (wanted) { wanted.focus(); focusWanted = null; }
}

// Reasoning that grows is drawn anew with each word; who has unfolded it wants to go on reading.
let unfolded = false;
function keepUnfolded() {
  const growing = document.querySelector(".ck-thinks");
  if (!growing) unfolded = false;
  else if (unfolded) growing.open = true;
}

// Tabs of one browser keep in step: each tells the others what it shows, and whoever shows something else looks again.
const tabs = new BroadcastChannel("chatkeep");
let toldVersion = null;
function shown() {
  return {
    chat: new URLSearchParams(location.search).get("chat"),
    version: document.querySelector("[data-ck-version]")?.dataset.ckVersion,
  };
}

function keepTabsInStep() {
  const mine = shown();
  if (!mine.version || mine.version === toldVersion) return;
  toldVersion = mine.version;
  tabs.postMessage(mine);
}

function refresh() {
  // Drawing the page anew closes a dialog, with whatever was typed into it.
  if (document.querySelector("[role=dialog]")) return;
  document.querySelector(".st-key-ck-refresh button")?.click();
}

tabs.addEventListener("message", ({ data }) => {
  const mine = shown();
  if (data.chat === mine.chat && data.version !== mine.version) refresh();
});

let watched = null;
let shownOnce = false;
new MutationObserver(() => {
  const main = document.querySelector("[data-testid=stMain]");
  if (main && main !== watched) { watched = main; watchScroll(main); }
  if (main) { stayAtFound(); stayAtSame(main); stayAtEnd(main); }
  keepFocus();
  keepUnfolded();
  keepTabsInStep();
  answerRenewal();
  nameMenus();
  refreshAfterBreak();
}).observe(document.documentElement, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["data-test-connection-state"],
});

// Streamlit reconnects by itself, but shows what it had; a restarted server has more to say.
let broken = false;
function refreshAfterBreak() {
  const state = document.querySelector("[data-testid=stApp]")?.dataset.testConnectionState;
  if (state === "CONNECTED" && broken) {
    broken = false;
    refresh();
  } else if (shownOnce && state !== "CONNECTED") {
    if (!broken) renew();
    broken = true;
  } else if (state === "CONNECTED") {
    shownOnce = true;
  }
}

// Streamlit draws menus and lists outside every landmark; a screen reader would not know where it is.
function nameMenus() {
  for (const layer of document.querySelectorAll("body > div:not(#root, [role])")) {
    if (layer.querySelector("[role=menu], [role=listbox]")) {
      layer.setAttribute("role", "region");
      layer.setAttribute("aria-label", "Choices");
    }
  }
}

// Who has dismissed the notice about the built-in model has read it: it stays away in this browser.
const QUIET = "chatkeep-quiet";
if (localStorage.getItem(QUIET)) document.documentElement.classList.add("ck-quiet");

document.addEventListener("click", (event) => {
  if (event.target.closest?.(".st-key-ck-dismiss button")) localStorage.setItem(QUIET, "1");
  const copy = event.target.closest?.("[data-ck-copy]");
  if (copy) copyNear(copy);
  const folded = event.target.closest?.(".ck-thinks > summary");
  if (folded) unfolded = !folded.parentElement.open;
  const told = event.target.closest?.("[data-ck-click]");
  if (told) tell(told);
  const main = document.querySelector("[data-testid=stMain]");
  if (main && event.target.closest?.(".st-key-ck-earlier button")) {
    atEnd = false;
    fromEnd = { height: main.scrollHeight, distance: main.scrollHeight - main.scrollTop };
  }
  if (PHONE.matches && event.target.closest?.(".st-key-ck-new button, [class*='st-key-ck-open-'] button, .ck-hit")) {
    document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click();
  }
});

async function copyNear(button) {
  const text = button.dataset.ckCopy === "code"
    ? button.closest(".ck-code").querySelector("code").textContent
    : button.closest(".ck-message").querySelector(".ck-words").innerText;
  await navigator.clipboard.writeText(text);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1600);
}
