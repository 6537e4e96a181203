"use strict";
// Keeps the page as the daemon tells it, and touches only what changed: focus, selection and the
// place that a screen reader is at stay. Where this doesn't run the browser loads the page again.

const SILENCE_MS = 5000;
const main = document.querySelector("main");
const live = document.getElementById("live");
const said = document.getElementById("said");
let heard = new Date();
let timer = setTimeout(late, SILENCE_MS);

function late() {
  live.className = "alert";
  live.textContent = `No word from the daemon since ${heard.toLocaleTimeString()}. What is shown is from then.`;
}

function attributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

// What has a name is the same thing wherever it has moved to.
function same(one, other) {
  const name = (node) => node.nodeName + (node.getAttribute?.("aria-label") ?? "");
  return name(one) === name(other);
}

function children(old, fresh) {
  let own = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    let match = own;
    if (child.getAttribute?.("aria-label")) {
      while (match !== null && !same(match, child)) match = match.nextSibling;
    }
    if (match === null || !same(match, child)) {
      old.insertBefore(child, own);
      continue;
    }
    while (own !== match) {
      const gone = own;
      own = own.nextSibling;
      gone.remove();
    }
    if (own.nodeType !== Node.TEXT_NODE) {
      attributes(own, child);
      children(own, child);
    } else if (own.data !== child.data) {
      own.data = child.data;
    }
    own = own.nextSibling;
  }
  while (own !== null) {
    const gone = own;
    own = own.nextSibling;
    gone.remove();
  }
}

// A stream ends after a while; the browser opens the next one by itself.
new EventSource("events").onmessage = (event) => {
  const fresh = document.createElement("main");
  fresh.innerHTML = event.data;
  const before = main.querySelector("h1").textContent;
  children(main, fresh);
  const verdict = main.querySelector("h1").textContent;
  if (verdict !== before) said.textContent = verdict;
  document.title = `${verdict} - halb`;
  heard = new Date();
  live.className = "";
  live.textContent = "Live";
  clearTimeout(timer);
  timer = setTimeout(late, SILENCE_MS);
};
