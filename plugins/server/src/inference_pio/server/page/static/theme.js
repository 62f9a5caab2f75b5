// Light, dark, or as the system has it. The colours themselves are in base.css.

import { byId, icon, speak } from "./dom.js";
import { remember } from "./storage.js";

const STORED = "inference-pio:theme"; // early.js reads it too
const NEXT = /** @type {const} */ ({ system: "light", light: "dark", dark: "system" });

export function setUpTheme() {
  const button = byId("theme");
  const root = document.documentElement;
  const current = () => /** @type {keyof typeof NEXT} */ (root.dataset.theme ?? "system");
  const show = () => {
    button.replaceChildren(icon(current()));
    button.setAttribute("aria-label", `Theme: ${current()}`);
    button.title = `Theme: ${current()}`;
  };
  button.addEventListener("click", () => {
    const theme = NEXT[current()];
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    remember(STORED, theme);
    show();
    speak(`Theme: ${theme}`);
  });
  show();
}
