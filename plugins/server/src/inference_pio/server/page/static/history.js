// The list of conversations, the one that is open, and what can be done with them.

import { byId, make } from "./dom.js";
import { ask } from "./dialogs.js";
import {
  deleteConversation,
  exportConversations,
  isConversationKey,
  listConversations,
  loadConversation,
  saveConversation,
} from "./store.js";

/** @typedef {import("./store.js").Conversation} Conversation */

const HASH = "#conversation-";
const NARROW = matchMedia("(max-width: 50rem)");

export class HistoryView {
  /** @param {import("./chat.js").Chat} chat */
  constructor(chat) {
    this.chat = chat;
    byId("new").addEventListener("click", () => (this.#hideIfNarrow(), chat.create()));
    byId("rename").addEventListener("click", () => this.#rename());
    byId("delete").addEventListener("click", () => this.#delete());
    byId("export").addEventListener("click", () => exportConversations("conversation.json", [chat.conversation]));
    byId("export-all").addEventListener("click", () => exportConversations("conversations.json", listConversations()));
    byId("delete-all").addEventListener("click", () => this.#deleteAll());
    byId("toggle-history").addEventListener("click", () => this.toggle());
    NARROW.addEventListener("change", () => this.toggle(!NARROW.matches));
    addEventListener("hashchange", () => this.openFromAddress());
    addEventListener("storage", (event) => isConversationKey(event.key) && this.#changedElsewhere());
    this.toggle(!NARROW.matches);
  }

  /** Open the conversation that the page's address names. @returns {boolean} Whether there is one. */
  openFromAddress() {
    const id = location.hash.startsWith(HASH) ? location.hash.slice(HASH.length) : "";
    if (id === this.chat.conversation.id) return true;
    const found = id && (this.chat.runs.get(id)?.conversation ?? loadConversation(id));
    if (found) this.chat.open(found);
    return Boolean(found);
  }

  /** Draw the list and the title. */
  show() {
    const { conversation, runs } = this.chat;
    const items = listConversations().map((one) => this.#item(one, one.id === conversation.id, runs.has(one.id)));
    byId("conversations").replaceChildren(...items);
    const isKept = conversation.messages.length > 0;
    byId("title-bar").hidden = !isKept;
    byId("title").textContent = conversation.title;
    document.title = isKept && conversation.title ? `${conversation.title} – inference-pio` : "inference-pio";
    const address = isKept ? HASH + conversation.id : location.pathname;
    if (isKept ? location.hash !== address : location.hash) window.history.replaceState(null, "", address);
  }

  /** @param {Conversation} conversation @param {boolean} isOpen @param {boolean} isBusy */
  #item(conversation, isOpen, isBusy) {
    const name = conversation.title || "Without a title";
    const open = () => {
      this.#hideIfNarrow();
      const found = loadConversation(conversation.id);
      if (found) this.chat.open(found);
      byId("question").focus();
    };
    const mark = isBusy && make("span", { class: "pulse", role: "img", "aria-label": "is being answered" });
    const attributes = { type: "button", dir: "auto", title: name, "aria-current": isOpen ? "page" : null, onclick: open };
    return make("li", {}, make("button", attributes, make("span", { class: "name" }, name), mark));
  }

  async #rename() {
    const { conversation } = this.chat;
    const title = await ask({ title: "Rename", yes: "Rename", label: "Title", value: conversation.title });
    if (!title?.trim()) return;
    conversation.title = title.trim();
    saveConversation(conversation);
    this.show();
  }

  async #delete() {
    const { conversation } = this.chat;
    const text = `“\u2068${conversation.title}\u2069” is removed from this browser. Nobody else has it.`;
    if ((await ask({ title: "Delete this conversation?", text, yes: "Delete" })) === null) return;
    this.#remove(conversation.id);
    this.chat.create();
  }

  async #deleteAll() {
    byId("settings").close();
    const all = listConversations();
    const text = `${all.length} are removed from this browser. Nobody else has them.`;
    if ((await ask({ title: "Delete all conversations?", text, yes: "Delete all" })) === null) return;
    for (const { id } of all) this.#remove(id);
    this.chat.create();
  }

  /** @param {string} id */
  #remove(id) {
    const run = this.chat.runs.get(id);
    if (run) run.isForgotten = true;
    run?.stop();
    deleteConversation(id);
  }

  #changedElsewhere() {
    const { conversation, isBusy } = this.chat;
    const now = loadConversation(conversation.id);
    if (now && !isBusy && now.updated > conversation.updated) this.chat.open(now);
    else this.show();
  }

  /** Show or hide the list. @param {boolean} [isShown] */
  toggle(isShown = byId("toggle-history").getAttribute("aria-expanded") !== "true") {
    byId("toggle-history").setAttribute("aria-expanded", String(isShown));
    byId("history").hidden = !isShown;
    if (isShown && NARROW.matches) byId("new").focus();
  }

  #hideIfNarrow() {
    if (NARROW.matches) this.toggle(false);
  }
}
