// Comforts only: the forms work without this file.
"use strict";

for (const button of document.querySelectorAll("[data-reveal]")) {
  const input = document.getElementById(button.dataset.reveal);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    button.textContent = shown ? "Hide" : "Show";
    input.focus();
  });
}

for (const form of document.forms) {
  form.addEventListener("submit", () => {
    // A password is hashed slowly on purpose; a second click in the meantime would only queue another.
    // A form that brings a file leaves its page as it is, and may be sent again.
    if (!("stays" in form.dataset)) {
      for (const go of form.querySelectorAll(".go")) {
        go.setAttribute("aria-disabled", "true");
        setTimeout(() => { go.disabled = true; });
      }
    }
    for (const input of form.querySelectorAll("input[type=text][name=password]")) input.type = "password";
  });
}

// Said before a large file has travelled, and not after.
for (const input of document.querySelectorAll("input[type=file][data-most-bytes]")) {
  input.addEventListener("change", () => {
    const tooLarge = [...input.files].some((file) => file.size >= Number(input.dataset.mostBytes));
    input.setCustomValidity(tooLarge ? "This file is too large: 32 MiB are taken in at once." : "");
    input.reportValidity();
  });
}

// The token of a mailed link stands behind the #, where it reaches no server. From here on it stands in the form alone.
const token = document.querySelector("input[name=token]");
if (token && location.hash.startsWith("#token=")) {
  token.value = decodeURIComponent(location.hash.slice("#token=".length));
  token.closest(".field").hidden = true;
  history.replaceState(null, "", location.pathname);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const words = button.textContent;
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const lines = source.querySelectorAll("li");
    await navigator.clipboard.writeText(lines.length ? [...lines].map((line) => line.textContent).join("\n") : source.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = words; }, 2000);
  });
}

function showLocalTimes(part) {
  for (const time of part.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  }
}
showLocalTimes(document);

// Coming back by the back button must not show a dead form.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
