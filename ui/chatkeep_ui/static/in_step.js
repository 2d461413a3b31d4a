// A tab shows what is the case, also when that changes elsewhere: in another tab, on another device, while it was away.
"use strict";

// Tabs of one browser: each tells the others what it shows of a chat, and one that shows something else looks again.
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

document.addEventListener("visibilitychange", async () => {
  if (document.hidden) return;
  // Another device may have gone on with this chat in the meantime.
  if (await renew()) refresh();
});

// What the page has found to be no longer so, by itself.
function refreshIfStale() {
  const stale = document.querySelector("[data-ck-stale]:not([data-ck-told])");
  if (!stale || document.querySelector("[role=dialog], [role=menu]")) return;
  stale.dataset.ckTold = "";
  refresh();
}

// Streamlit reconnects by itself, but shows what it had; a restarted server has more to say.
let broken = false;
let shownOnce = false;
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

new MutationObserver(() => { keepTabsInStep(); refreshIfStale(); refreshAfterBreak(); }).observe(document.documentElement, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["data-test-connection-state"],
});
