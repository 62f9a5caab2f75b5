// Conversations in this browser: one entry of localStorage each, so that one that does not fit spoils no other.

import { storage } from "./storage.js";

/**
 * @typedef {import("./answers.js").Message} Message
 * @typedef {{id: string, title: string, created: string, updated: string, messages: Message[]}} Conversation
 */

const PREFIX = "inference-pio:conversation:";
const TITLE_LENGTH = 60;

/** The browser has no room for more, or gives none. */
export class StoreFull extends Error {}

/** @returns {Conversation} A new one; it is kept once it is saved. */
export function newConversation() {
  const now = new Date().toISOString();
  const bytes = crypto.getRandomValues(new Uint8Array(9)); // randomUUID exists on secure pages only
  const id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id, title: "", created: now, updated: now, messages: [] };
}

/** @returns {Conversation[]} All that can be read, the latest first. */
export function listConversations() {
  const keys = Array.from({ length: storage.length }, (_, place) => storage.key(place));
  const ids = keys.filter((key) => key?.startsWith(PREFIX)).map((key) => key?.slice(PREFIX.length) ?? "");
  const found = ids.map(loadConversation).filter((conversation) => conversation !== null);
  return found.sort((one, other) => other.updated.localeCompare(one.updated));
}

/** @param {string} id @returns {Conversation | null} */
export function loadConversation(id) {
  try {
    const read = JSON.parse(storage.getItem(PREFIX + id) ?? "null");
    const whole = typeof read?.title === "string" && typeof read.updated === "string" && Array.isArray(read.messages);
    if (!whole) return null;
    for (const message of read.messages) {
      // Written while an answer came: the tab was closed before it ended.
      if (message.state === "waiting" || message.state === "writing") message.state = "stopped";
    }
    return { ...read, id };
  } catch {
    return null; // not JSON: somebody else's
  }
}

/**
 * @param {Conversation} conversation Gets a title from its first question, if it has none.
 * @throws {StoreFull}
 */
export function saveConversation(conversation) {
  conversation.title ||= titleOf(conversation.messages[0]?.content ?? "");
  try {
    storage.setItem(PREFIX + conversation.id, JSON.stringify(conversation));
  } catch (error) {
    throw new StoreFull("the browser has no room for more history", { cause: error });
  }
}

/** @param {string} id */
export const deleteConversation = (id) => storage.removeItem(PREFIX + id);

/** @param {string | null} key Of a `storage` event: another tab changed it; null when it emptied all. */
export const isConversationKey = (key) => key === null || key.startsWith(PREFIX);

/** @param {string} question */
function titleOf(question) {
  const line = question.trim().split("\n")[0].trim();
  const letters = Array.from(line); // whole characters, not halves of surrogate pairs
  return letters.length > TITLE_LENGTH ? letters.slice(0, TITLE_LENGTH).join("").trimEnd() + "…" : line;
}

/**
 * Offer a file for download.
 * @param {string} name
 * @param {Conversation[]} conversations
 */
export function exportConversations(name, conversations) {
  const content = JSON.stringify({ format: "inference-pio conversations", version: 1, conversations }, null, 2);
  const url = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url)); // after the browser has begun to read it
}
