// Which models there are, and which one answers.

import { listModels } from "./api.js";
import { byId, make } from "./dom.js";
import { remember, storage } from "./storage.js";

/**
 * @typedef {{id: string, chats: boolean | null, takesTools: boolean, isLoaded: boolean, context: number | null}} Model
 *   Only a loaded model says what it can do: `chats` is null before.
 */

const CHOSEN = "inference-pio:model";

/** @param {any} entry Of /v1/models. @returns {Model} */
function read(entry) {
  const can = entry.capabilities ?? {};
  return {
    id: entry.id,
    chats: can.chat ?? null,
    takesTools: can.tools ?? false,
    isLoaded: entry.loaded,
    context: entry.context,
  };
}

export class Models {
  /** @param {(model: Model | undefined) => void} onchange Called when another model answers, or its state changed. */
  constructor(onchange) {
    /** @type {Model[]} */
    this.all = [];
    this.onchange = onchange;
    this.select = byId("model");
    this.select.addEventListener("change", () => this.choose(this.select.value));
  }

  /** @returns {Model | undefined} */
  get chosen() {
    return this.all.find((model) => model.id === this.select.value);
  }

  /** Ask the server; raises a Failure. */
  async refresh() {
    this.all = (await listModels()).map(read);
    const wanted = this.select.value || storage.getItem(CHOSEN);
    this.select.replaceChildren(...this.all.map(option));
    if (!this.all.length) this.select.append(make("option", { value: "" }, "no model is installed"));
    this.choose(this.all.some((model) => model.id === wanted) ? wanted : (this.all[0]?.id ?? ""));
  }

  /** Ask the server again about one model. @param {string} id @returns {Promise<Model | undefined>} */
  async refreshed(id) {
    await this.refresh();
    return this.all.find((model) => model.id === id);
  }

  /** @param {string} id */
  choose(id) {
    this.select.value = id;
    remember(CHOSEN, id);
    byId("facts").textContent = this.chosen ? facts(this.chosen) : "";
    this.onchange(this.chosen);
  }
}

/** @param {Model} model */
function option(model) {
  return make("option", { value: model.id }, model.isLoaded ? model.id : `${model.id} (not loaded)`);
}

/** @param {Model} model */
function facts(model) {
  if (!model.isLoaded) return "is loaded with the first question";
  const parts = [model.chats ? "chats" : "continues text"];
  if (model.takesTools) parts.push("takes tools");
  if (model.context) parts.push(`${model.context.toLocaleString("en")} tokens of context`);
  return parts.join(" · ");
}
