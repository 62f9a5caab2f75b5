// Dialogs. The browser's own <dialog> keeps the focus inside, closes on Esc and gives the focus back.

import { byId, make } from "./dom.js";

export function setUpDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const target = /** @type {Element} */ (event.target);
      if (target === dialog || target.closest("[data-close]")) dialog.close(); // the backdrop belongs to the dialog
    });
  }
  byId("open-settings").addEventListener("click", () => byId("settings").showModal());
  byId("open-shortcuts").addEventListener("click", showShortcuts);
  const keys = SHORTCUTS.flatMap(([combination, what]) => [
    make("dt", {}, ...combination.split("+").map((key) => make("kbd", {}, key))),
    make("dd", {}, what),
  ]);
  byId("shortcut-list").append(...keys);
}

export function showShortcuts() {
  if (!document.querySelector("dialog[open]")) byId("shortcuts").showModal();
}

/** What keyboard.js and the composer do. @type {[string, string][]} */
const SHORTCUTS = [
  ["Enter", "Send the question"],
  ["Shift+Enter", "Start a new line"],
  ["Esc", "Stop the answer; else go to the question"],
  ["↑", "Edit the last question, when the field is empty"],
  ["Ctrl+Shift+O", "New conversation"],
  ["Ctrl+Shift+H", "Show or hide the history"],
  ["Ctrl+,", "Settings"],
  ["Ctrl+/", "This list"],
];

/**
 * Ask for a line of text, or for a yes where there is no label.
 * @param {{title: string, text?: string, yes: string, label?: string, value?: string, secret?: boolean}} question
 * @returns {Promise<string | null>} What was entered; null when it was cancelled.
 */
export function ask({ title, text = "", yes, label, value = "", secret = false }) {
  const dialog = byId("ask");
  const input = byId("ask-input");
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-text").hidden = !text;
  byId("ask-field").hidden = label === undefined;
  byId("ask-label").textContent = label ?? "";
  byId("ask-yes").textContent = yes;
  byId("ask-yes").classList.toggle("danger", label === undefined);
  input.type = secret ? "password" : "text";
  input.dir = secret ? "ltr" : "auto";
  input.value = value;
  dialog.returnValue = "";
  dialog.showModal();
  if (label === undefined) byId("ask-no").focus();
  else input.select();
  const form = dialog.querySelector("form");
  return new Promise((resolve) => {
    let answer = /** @type {string | null} */ (null);
    form.onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault(); // `form-action 'none'` need not know the difference
      answer = input.value;
      dialog.close();
    };
    dialog.addEventListener("close", () => resolve(answer), { once: true });
  });
}
