// Answers that are being written: any number of conversations may have one each.

import { receive, requestFor } from "./answers.js";
import { Failure } from "./failures.js";

/**
 * @typedef {import("./answers.js").Message} Message
 * @typedef {import("./store.js").Conversation} Conversation
 * @typedef {import("./models.js").Model} Model
 */

export class Run {
  /**
   * @param {Conversation} conversation Ends with a question; the answer is added.
   * @param {Model} model
   * @param {() => Promise<Model | undefined>} refresh Asks what the server now knows of the model.
   */
  constructor(conversation, model, refresh) {
    this.conversation = conversation;
    this.model = model;
    this.refresh = refresh;
    this.aborting = new AbortController();
    /** Whether its conversation was deleted meanwhile: then nothing of it is kept. */
    this.isForgotten = false;
    /** @type {Message} */
    this.message = { role: "assistant", content: "", model: model.id, state: "waiting", loading: !model.isLoaded };
  }

  /**
   * Ask, and come back when the answer has ended, however it did.
   * @param {import("./settings.js").Sampling} sampling
   * @param {() => void} changed Called once a frame at most.
   * @returns {Promise<Failure | null>}
   */
  async read(sampling, changed) {
    const messages = [...this.conversation.messages];
    this.conversation.messages.push(this.message);
    const ask = () =>
      receive(this.message, requestFor(this.model, messages, sampling), this.aborting.signal, oncePerFrame(changed));
    let failure = null;
    try {
      await ask().catch(async (error) => {
        if (!(await this.#turnsOutNotToChat(error))) throw error;
        await ask();
      });
      this.message.state = "done";
    } catch (error) {
      if (this.aborting.signal.aborted) this.message.state = "stopped";
      else failure = this.#fail(error);
    }
    delete this.message.loading;
    return failure;
  }

  /** A model that was not loaded was asked as if it chats; now it is, and tells. @param {unknown} error */
  async #turnsOutNotToChat(error) {
    if (this.model.chats !== null || !(error instanceof Failure) || error.kind !== "request") return false;
    const known = await this.refresh();
    if (known?.chats !== false) return false;
    this.model = known;
    return true;
  }

  /** @param {unknown} error */
  #fail(error) {
    const failure =
      error instanceof Failure
        ? error
        : new Failure("server", "The server's answer makes no sense to this page.", "Reload the page and try again.");
    if (failure !== error) console.error(error);
    this.message.state = "failed";
    this.message.failure = { kind: failure.kind, message: failure.message, advice: failure.advice };
    return failure;
  }

  /** End the request; the server stops the work. */
  stop() {
    this.aborting.abort();
  }
}

/** @param {() => void} action @returns {() => void} */
function oncePerFrame(action) {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      action();
    });
  };
}
