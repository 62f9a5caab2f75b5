// Sampling settings. What is empty or makes no sense is not sent: the model's own default holds.

import { byId } from "./dom.js";
import { remember, storage } from "./storage.js";

/**
 * @typedef {{temperature?: number, top_p?: number, seed?: number, maxTokens?: number, system?: string}} Sampling
 */

const STORED = "inference-pio:settings";
/** Ids of the fields. */
const FIELDS = ["system", "temperature", "top-p", "max-tokens", "seed"];

export class Settings {
  constructor() {
    let stored = /** @type {Record<string, string>} */ ({});
    try {
      stored = JSON.parse(storage.getItem(STORED) ?? "{}");
    } catch {
      // Not ours: begin with empty fields.
    }
    for (const id of FIELDS) {
      const field = byId(id);
      field.value = stored[id] ?? "";
      field.addEventListener("input", () => this.#changed());
    }
    byId("reset").addEventListener("click", () => {
      for (const id of FIELDS) byId(id).value = "";
      this.#changed();
    });
    this.#changed();
  }

  #changed() {
    for (const id of FIELDS) byId(id).setAttribute("aria-invalid", String(!byId(id).validity.valid));
    const values = Object.fromEntries(FIELDS.map((id) => [id, byId(id).value]));
    remember(STORED, JSON.stringify(values));
    const set = FIELDS.some((id) => values[id] !== "");
    byId("open-settings").classList.toggle("marked", set);
    byId("open-settings").setAttribute("aria-label", set ? "Settings, changed" : "Settings");
  }

  /** @returns {Sampling} */
  get sampling() {
    /** @param {string} id */
    const number = (id) => {
      const field = byId(id);
      return field.value !== "" && field.validity.valid ? field.valueAsNumber : undefined;
    };
    return {
      temperature: number("temperature"),
      top_p: number("top-p"),
      seed: number("seed"),
      maxTokens: number("max-tokens"),
      system: byId("system").value.trim() || undefined,
    };
  }
}
