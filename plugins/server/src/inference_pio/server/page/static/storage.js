// The browser's storage, or the tab's memory where the browser gives none (a private window, blocked site data).

/** The part of Storage that is used. */
class Memory {
  #entries = new Map();
  get length() {
    return this.#entries.size;
  }
  key(/** @type {number} */ place) {
    return [...this.#entries.keys()][place] ?? null;
  }
  getItem(/** @type {string} */ key) {
    return this.#entries.get(key) ?? null;
  }
  setItem(/** @type {string} */ key, /** @type {string} */ value) {
    this.#entries.set(key, value);
  }
  removeItem(/** @type {string} */ key) {
    this.#entries.delete(key);
  }
}

/** @param {"localStorage" | "sessionStorage"} name @returns {Storage | Memory} */
function open(name) {
  try {
    window[name].getItem("");
    return window[name];
  } catch {
    return new Memory();
  }
}

export const storage = open("localStorage");
export const tabStorage = open("sessionStorage");
export const isLasting = !(storage instanceof Memory);

/** Keep a small thing for the next visit; where there is no room, it holds until the tab is closed. */
export function remember(/** @type {string} */ key, /** @type {string} */ value) {
  try {
    storage.setItem(key, value);
  } catch {
    // Full: what cannot be done without is said by store.js, for conversations.
  }
}
