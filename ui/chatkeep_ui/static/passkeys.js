// Hands a form's options to the browser's passkey dialog, and the answer to the form (WebAuthn Level 3, section 5.1).
"use strict";

function trouble(form, words) {
  const says = form.querySelector("[data-passkey-trouble]");
  says.textContent = words;
  says.hidden = false;
}

function host(form) {
  const options = JSON.parse(form.dataset.options);
  return options.rpId ?? options.rp.id;
}

async function ask(form) {
  const options = JSON.parse(form.dataset.options);
  const given = form.dataset.passkey === "create"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return JSON.stringify(given.toJSON());
}

for (const form of document.querySelectorAll("form.passkey")) {
  const credential = form.elements.credential;
  const go = form.querySelector(".go");
  form.addEventListener("submit", async (event) => {
    if (credential.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
      trouble(form, "This browser does not know passkeys, or the page was not opened by https.");
      return;
    }
    try {
      credential.value = await ask(form);
    } catch (error) {
      trouble(form, {
        InvalidStateError: "This device already has a passkey for your account.",
        // An address such as 127.0.0.1 has no passkeys, and those of another host name are not ours.
        SecurityError: `Passkeys belong to the name ${host(form)}: open this page there.`,
      }[error.name] ?? "No passkey was used. Try again.");
      return;
    }
    form.requestSubmit(go);
  }, { capture: true });
  if ("start" in form.dataset) form.requestSubmit(go);
}
