// The field for the question, and the keys that work everywhere.

import { byId } from "./dom.js";
import { showShortcuts } from "./dialogs.js";

/** @param {import("./chat.js").Chat} chat */
export function setUpComposer(chat) {
  const field = byId("question");
  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`; // the style sheet bounds it
  };
  const send = () => {
    if (!chat.send(field.value)) return;
    field.value = "";
    fit();
  };
  field.addEventListener("input", fit);
  byId("composer").addEventListener("submit", (/** @type {Event} */ event) => (event.preventDefault(), send()));
  byId("stop").addEventListener("click", () => (chat.stop(), field.focus()));
  document.querySelector(".skip")?.addEventListener("click", (event) => (event.preventDefault(), field.focus()));
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return; // Enter then takes what an input method proposes
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && !field.value && !chat.isBusy) {
      event.preventDefault();
      chat.thread.editLast();
    }
  });
}

/** @param {import("./chat.js").Chat} chat */
export function setUpKeys(chat) {
  addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const held = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    const action =
      key === "escape" && !held ? () => (chat.stop(), byId("question").focus())
      : held && event.shiftKey && key === "o" ? () => chat.create()
      : held && event.shiftKey && key === "h" ? () => chat.history.toggle()
      : held && key === "," ? () => byId("open-settings").click()
      : held && key === "/" ? showShortcuts
      : null;
    if (!action) return;
    event.preventDefault();
    action();
  });
}
