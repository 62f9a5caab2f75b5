// What one does: ask, stop, ask again, edit, open, rename, delete.

import { byId, speak } from "./dom.js";
import { setApiKey } from "./api.js";
import { ask } from "./dialogs.js";
import { HistoryView } from "./history.js";
import { Run } from "./runs.js";
import { StoreFull, newConversation, saveConversation } from "./store.js";
import { Thread } from "./thread.js";

/**
 * @typedef {import("./answers.js").Message} Message
 * @typedef {import("./store.js").Conversation} Conversation
 */

export class Chat {
  /**
   * @param {import("./models.js").Models} models
   * @param {import("./settings.js").Settings} settings
   */
  constructor(models, settings) {
    this.models = models;
    this.settings = settings;
    /** @type {Map<string, Run>} By conversation. */
    this.runs = new Map();
    this.conversation = newConversation();
    this.thread = new Thread({ onregenerate: () => this.regenerate(), onedit: (text) => this.edit(text) });
    this.history = new HistoryView(this);
    addEventListener("pagehide", () => this.#leave());
  }

  /** @returns {boolean} Whether the conversation on screen is being answered. */
  get isBusy() {
    return this.runs.has(this.conversation.id);
  }

  /** @param {Conversation} conversation */
  open(conversation) {
    this.conversation = this.runs.get(conversation.id)?.conversation ?? conversation;
    this.#show();
  }

  create() {
    this.open(newConversation());
    byId("question").focus();
  }

  /** Ask. @param {string} text @returns {boolean} Whether it could be asked. */
  send(text) {
    if (this.isBusy || !text.trim() || !this.models.chosen) return false;
    this.conversation.messages.push({ role: "user", content: text });
    this.#answer();
    return true;
  }

  /** Let the last question be answered anew. */
  regenerate() {
    if (this.isBusy || !this.models.chosen) return;
    const isAnswered = this.conversation.messages.at(-1)?.role === "assistant";
    this.#answer(isAnswered ? this.conversation.messages.pop() : undefined);
    byId("question").focus(); // the button that was pressed is gone
  }

  /** Ask the last question anew in other words. @param {string} text */
  edit(text) {
    if (this.isBusy || !this.models.chosen) return;
    const last = this.conversation.messages.findLastIndex((message) => message.role === "user");
    this.conversation.messages.splice(last);
    this.send(text);
    byId("question").focus();
  }

  stop() {
    this.runs.get(this.conversation.id)?.stop();
  }

  /** @param {Message} [former] The answer that the new one takes the place of. */
  async #answer(former) {
    const model = /** @type {import("./models.js").Model} */ (this.models.chosen);
    const wasLoaded = model.isLoaded;
    const run = new Run(this.conversation, model, () => this.models.refreshed(model.id));
    this.runs.set(run.conversation.id, run);
    run.conversation.updated = new Date().toISOString();
    const reading = run.read(this.settings.sampling, () => this.#update(run));
    this.#save(run.conversation);
    this.#show();
    speak(run.message.loading ? `Loading ${run.model.id}.` : "Question sent.");
    const failure = await reading;
    this.runs.delete(run.conversation.id);
    if (run.isForgotten) return;
    if (failure && former?.content && !run.message.content) this.#restore(run.message, former);
    this.#save(run.conversation);
    this.#update(run);
    this.#finish(run);
    if (!wasLoaded) this.models.refresh().catch(() => {}); // by now it is, or its place is taken
    if (failure?.kind === "key" && this.#isShown(run) && (await this.enterKey(failure.message))) this.regenerate();
  }

  /** Nothing came: give the former answer back, with what went wrong below it. @param {Message} message @param {Message} former */
  #restore(message, former) {
    Object.assign(message, former, { failure: message.failure });
  }

  /** The page goes, and takes its requests along: what has come is kept. */
  #leave() {
    for (const run of this.runs.values()) {
      run.stop();
      this.#save(run.conversation);
    }
  }

  /** @param {Run} run */
  #isShown(run) {
    return this.conversation === run.conversation;
  }

  /** @param {Run} run */
  #update(run) {
    if (this.#isShown(run)) this.thread.update(run.message).forEach(speak);
  }

  /** @param {Run} run */
  #finish(run) {
    const { message } = run;
    if (this.#isShown(run)) this.#showState();
    this.history.show();
    if (message.failure) speak(`${message.failure.message} ${message.failure.advice}`);
    else speak(message.state === "stopped" ? "Stopped." : "The answer is complete.");
  }

  /**
   * Ask for the API key.
   * @param {string} why
   * @returns {Promise<boolean>} Whether one was entered.
   */
  async enterKey(why) {
    const text = `${why} It is kept until this tab is closed, and sent to this server only.`;
    const key = await ask({ title: "API key", text, yes: "Use this key", label: "API key", secret: true });
    if (key !== null) setApiKey(key.trim());
    return key !== null;
  }

  /** @param {Conversation} conversation */
  #save(conversation) {
    try {
      saveConversation(conversation);
    } catch (error) {
      if (!(error instanceof StoreFull)) throw error;
      notify("This browser has no room for more history: the latest messages are lost when the tab is closed. Export or delete older conversations.");
    }
    this.history.show();
  }

  #show() {
    this.thread.show(this.conversation.messages);
    this.history.show();
    this.#showState();
  }

  #showState() {
    byId("send").hidden = this.isBusy;
    byId("stop").hidden = !this.isBusy;
    byId("composer").classList.toggle("busy", this.isBusy);
  }
}

/** Say something that is not about one answer; empty text takes it away. @param {string} text */
export function notify(text) {
  const notice = byId("notice");
  notice.hidden = !text;
  if (notice.textContent !== text) notice.textContent = text;
}
