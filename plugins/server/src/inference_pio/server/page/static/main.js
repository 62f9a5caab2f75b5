// Puts the parts together.

import { Chat, notify } from "./chat.js";
import { setUpComposer, setUpKeys } from "./composer.js";
import { setUpDialogs } from "./dialogs.js";
import { byId } from "./dom.js";
import { Failure } from "./failures.js";
import { Models } from "./models.js";
import { Settings } from "./settings.js";
import { isLasting } from "./storage.js";
import { setUpTheme } from "./theme.js";

setUpTheme();
setUpDialogs();
const models = new Models(showModel);
const chat = new Chat(models, new Settings());
setUpComposer(chat);
setUpKeys(chat);
if (!chat.history.openFromAddress()) chat.open(chat.conversation);
byId("change-key").addEventListener("click", async () => {
  byId("settings").close();
  if (await chat.enterKey("The key that this server knows you by.")) await begin();
});
if (!matchMedia("(pointer: coarse)").matches) byId("question").focus(); // on a touch screen it would call the keyboard up
await begin();
// A server may come back, or load other models, while the page lies open.
document.addEventListener("visibilitychange", () => document.hidden || begin());

async function begin() {
  try {
    await models.refresh();
    notify(isLasting ? "" : "This browser keeps nothing for this page: the history ends when the tab is closed.");
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    notify(`${error.message} ${error.advice}`);
    const isAsked = /** @type {Element | null} */ (document.querySelector("dialog[open]"));
    if (error.kind === "key" && !isAsked && (await chat.enterKey(error.message))) await begin();
  }
}

/** @param {import("./models.js").Model | undefined} model */
function showModel(model) {
  const chats = model?.chats ?? true;
  byId("welcome-title").textContent = chats ? "Ask anything." : "Begin a text.";
  byId("welcome-text").textContent = !model
    ? "Install a model to talk to: pip install inference-pio-smollm2"
    : chats
      ? `${model.id} answers, on the machine that serves this page. What is said is kept in this browser.`
      : `${model.id} has not learnt to chat: it goes on with what you write, as it stands.`;
  const label = chats ? "Your question" : "Your text";
  byId("question-label").textContent = label;
  byId("question").placeholder = label;
  byId("system").disabled = !chats;
}
