// One answer: its text as it comes, what became of it, and what one can do with it.

import { copyButton, icon, make } from "./dom.js";
import { MarkdownView, renderToolCall } from "./markdown.js";

/** @typedef {import("./answers.js").Message} Message */

export class AnswerView {
  /**
   * @param {Message} message
   * @param {(() => void) | null} onregenerate Where it is the last one.
   */
  constructor(message, onregenerate) {
    this.message = message;
    this.onregenerate = onregenerate;
    this.text = make("div", { class: "text" });
    this.calls = make("div", { class: "calls" });
    this.foot = make("footer", {});
    const name = make("h2", {}, message.model ?? "Answer");
    this.element = make("article", { class: "answer" }, name, this.text, this.calls, this.foot);
    this.markdown = new MarkdownView(this.text);
    this.update();
  }

  /** @returns {string[]} What has become complete. */
  update() {
    const { message } = this;
    const isOpen = message.state === "waiting" || message.state === "writing";
    this.element.dataset.state = message.state ?? "done";
    this.element.setAttribute("aria-busy", String(isOpen));
    const fresh = this.markdown.update(message.content, !isOpen);
    if (message.toolCalls) this.calls.replaceChildren(...message.toolCalls.map(renderToolCall));
    if (message.state === "waiting") this.foot.replaceChildren(waiting(message));
    else if (!isOpen) this.foot.replaceChildren(...this.#end());
    else this.foot.replaceChildren();
    return fresh;
  }

  #end() {
    const { message } = this;
    const again = make("button", { type: "button", class: "small" }, icon("again"), message.failure ? "Try again" : "Regenerate");
    if (this.onregenerate) again.addEventListener("click", this.onregenerate);
    const copy = message.content && copyButton(() => message.content, "Copy the answer");
    const buttons = make("div", { class: "actions" }, copy, this.onregenerate && again);
    const figures = make("span", { class: "figures" }, figuresOf(message));
    const line = make("div", { class: "line" }, buttons, figures);
    return [message.failure && failureBox(message.failure), noteOf(message), line].filter(Boolean);
  }
}

/** @param {Message} message */
function waiting(message) {
  const text = message.loading ? `Loading ${message.model}. The first question takes longer.` : "Waiting for the first word";
  return make("p", { class: "waiting" }, make("span", { class: "pulse", "aria-hidden": "true" }), text);
}

/** @param {{message: string, advice: string}} failure */
function failureBox(failure) {
  return make("div", { class: "failure" }, make("p", {}, make("strong", {}, failure.message)), make("p", {}, failure.advice));
}

/** @param {Message} message */
function noteOf(message) {
  if (message.state === "stopped") return make("p", { class: "note" }, "Stopped.");
  if (message.finish === "length")
    return make("p", { class: "note" }, "Cut short: that was the most tokens an answer may have. The settings say how many.");
  return null;
}

/** @param {Message} message */
function figuresOf({ promptTokens, cachedTokens, newTokens, speed }) {
  if (newTokens === undefined) return "";
  const read = `${promptTokens} read` + (cachedTokens ? ` (${cachedTokens} remembered)` : "");
  const rate = speed ? ` · ${speed < 10 ? speed.toFixed(1) : Math.round(speed)} tokens/s` : "";
  return `${newTokens} ${newTokens === 1 ? "token" : "tokens"}${rate} · ${read}`;
}
