// Beside Streamlit's own script, with conversation.js and in_step.js: keeps the sign-in fresh, copies answers, and mends
// what a reader with a keyboard or a screen reader would trip over. It never sees a token: cookies are HttpOnly, and
// /session/renew answers 204.
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

// Streamlit draws menus and lists outside every landmark; a screen reader would not know where it is.
function nameMenus() {
  for (const layer of document.querySelectorAll("body > div:not(#root, [role])")) {
    if (layer.querySelector("[role=menu], [role=listbox]")) {
      layer.setAttribute("role", "region");
      layer.setAttribute("aria-label", "Choices");
    }
  }
}

new MutationObserver(() => { answerRenewal(); nameMenus(); }).observe(document.documentElement, {
  childList: true, subtree: true,
});

// Who has dismissed the notice about the built-in model has read it: it stays away in this browser.
const QUIET = "chatkeep-quiet";
if (localStorage.getItem(QUIET)) document.documentElement.classList.add("ck-quiet");

document.addEventListener("click", (event) => {
  if (event.target.closest?.(".st-key-ck-dismiss button")) localStorage.setItem(QUIET, "1");
  const copy = event.target.closest?.("[data-ck-copy]");
  if (copy) copyNear(copy);
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
