// The conversation as one sees it.

import { AnswerView } from "./answer_view.js";
import { byId, copyButton, icon, make } from "./dom.js";

/**
 * @typedef {import("./answers.js").Message} Message
 * @typedef {{onregenerate: () => void, onedit: (text: string) => void}} Actions
 */

const NEAR_END = 60; // pixels; who is that close to the end wants to follow it

export class Thread {
  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.place = byId("thread");
    this.scroll = byId("scroll");
    /** @type {Map<Message, AnswerView>} */
    this.views = new Map();
    this.follows = true;
    this.scroll.addEventListener("scroll", () => this.#look());
    byId("jump").addEventListener("click", () => {
      this.toEnd();
      byId("question").focus();
    });
    new ResizeObserver(() => this.follows && this.toEnd()).observe(this.place);
  }

  /** Show messages from the first to the last. @param {Message[]} messages */
  show(messages) {
    this.views.clear();
    const answersLast = messages.at(-1)?.role === "assistant";
    const lastQuestion = messages.findLastIndex((message) => message.role === "user");
    const articles = messages.map((message, place) =>
      message.role === "user"
        ? this.#question(message, place === lastQuestion)
        : this.#answer(message, answersLast && place === messages.length - 1),
    );
    this.place.replaceChildren(...articles);
    byId("welcome").hidden = messages.length > 0;
    this.toEnd();
  }

  /** Show what has come of an answer. @param {Message} message @returns {string[]} What can be read aloud. */
  update(message) {
    return this.views.get(message)?.update() ?? [];
  }

  toEnd() {
    this.follows = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
    byId("jump").hidden = true;
  }

  #look() {
    const below = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight;
    this.follows = below < NEAR_END;
    byId("jump").hidden = this.follows;
  }

  /** @param {Message} message @param {boolean} isLast */
  #answer(message, isLast) {
    const view = new AnswerView(message, isLast ? this.actions.onregenerate : null);
    this.views.set(message, view);
    return view.element;
  }

  /** @param {Message} message @param {boolean} isLast */
  #question(message, isLast) {
    const text = make("div", { class: "text", dir: "auto" }, message.content);
    const edit = isLast && make("button", { type: "button", class: "small edit" }, icon("rename"), "Edit");
    const buttons = make("div", { class: "actions" }, edit, copyButton(() => message.content, "Copy the question"));
    const article = make("article", { class: "question" }, make("h2", { class: "unseen" }, "You"), text, buttons);
    if (edit) edit.addEventListener("click", () => this.#edit(article, message));
    return article;
  }

  /** Turn the last question into a field. @param {HTMLElement} article @param {Message} message */
  #edit(article, message) {
    const before = [...article.childNodes];
    const field = make("textarea", { dir: "auto", "aria-label": "Edit the question", rows: 3 });
    field.value = message.content;
    const cancel = () => {
      article.replaceChildren(...before);
      /** @type {any} */ (article.querySelector(".edit"))?.focus();
    };
    const send = () => {
      if (field.value.trim()) this.actions.onedit(field.value);
    };
    field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.isComposing || (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey))) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Escape") cancel();
      else send();
    });
    const no = make("button", { type: "button", onclick: cancel }, "Cancel");
    const yes = make("button", { type: "button", class: "primary", onclick: send }, "Send again");
    article.replaceChildren(field, make("div", { class: "row end" }, no, yes));
    field.focus();
  }

  /** Begin to edit the last question, if it can be. */
  editLast() {
    /** @type {any} */ (this.place.querySelector(".edit"))?.click();
  }
}
