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
    const go = form.querySelector(".go");
    go.setAttribute("aria-disabled", "true");
    setTimeout(() => { go.disabled = true; });
    for (const input of form.querySelectorAll("input[type=text][name=password]")) input.type = "password";
  });
}

// Coming back by the back button must not show a dead form.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
