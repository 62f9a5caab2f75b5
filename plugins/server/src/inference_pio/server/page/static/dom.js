// Building elements. No markup is ever parsed here: text stays text.

/** @param {string} id @returns {any} The element; every id asked for is in index.html. */
export const byId = (id) => document.getElementById(id);

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] Functions become listeners (`onclick`), `false` and `null` are left out.
 * @param {...(Node | string | null | false | undefined)} children
 * @returns {any}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

/** @param {string} name One of the symbols in index.html. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/**
 * Put text on the clipboard. Browsers offer the clipboard only to secure pages; plain HTTP elsewhere than on
 * this machine is none, so there the old way has to do.
 * @param {string} text
 * @returns {Promise<boolean>} Whether it worked.
 */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const area = make("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}

/**
 * A button that copies a text and says so.
 * @param {() => string} text
 * @param {string} label What is copied, for who cannot see the place.
 */
export function copyButton(text, label) {
  const caption = make("span", {}, "Copy");
  const button = make("button", { type: "button", class: "small", "aria-label": label }, icon("copy"), caption);
  button.addEventListener("click", async () => {
    caption.textContent = (await copyText(text())) ? "Copied" : "Not allowed";
    speak(caption.textContent);
    button.addEventListener("blur", () => (caption.textContent = "Copy"), { once: true });
    setTimeout(() => (caption.textContent = "Copy"), 2000);
  });
  return button;
}

const KEPT_SENTENCES = 6;

/** Let a screen reader say something when it has finished what it is saying. @param {string} text */
export function speak(text) {
  const place = byId("spoken");
  place.append(make("p", {}, text));
  while (place.children.length > KEPT_SENTENCES) place.firstChild.remove();
}
