// What a reader does within a conversation: scroll, find, click on what a message offers, unfold its reasoning.
"use strict";

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
    // Who sends something wants to see it, and its answer.
    if (event.key === "Enter" && event.target.closest?.("[data-testid=stChatInput]")) { atEnd = true; return; }
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

document.addEventListener("click", (event) => {
  const told = event.target.closest?.("[data-ck-click]");
  if (told) tell(told);
  const folded = event.target.closest?.(".ck-thinks > summary");
  if (folded) unfolded = !folded.parentElement.open;
  const main = document.querySelector("[data-testid=stMain]");
  if (main && event.target.closest?.(".st-key-ck-earlier button")) {
    atEnd = false;
    fromEnd = { height: main.scrollHeight, distance: main.scrollHeight - main.scrollTop };
  }
});

let watched = null;
new MutationObserver(() => {
  const main = document.querySelector("[data-testid=stMain]");
  if (main && main !== watched) { watched = main; watchScroll(main); }
  if (main) { stayAtFound(); stayAtSame(main); stayAtEnd(main); }
  keepFocus();
  keepUnfolded();
}).observe(document.documentElement, { childList: true, subtree: true });
