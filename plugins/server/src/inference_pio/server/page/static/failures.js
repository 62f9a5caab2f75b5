// What went wrong, in words, and what to do about it.

/**
 * @typedef {"key" | "busy" | "unavailable" | "network" | "context" | "model" | "request" | "server" | "cut"} Kind
 */

export class Failure extends Error {
  /**
   * @param {Kind} kind
   * @param {string} message What happened.
   * @param {string} advice What to do.
   */
  constructor(kind, message, advice) {
    super(message);
    this.kind = kind;
    this.advice = advice;
  }
}

export const LOST = new Failure(
  "network",
  "The server cannot be reached.",
  "See whether `inference-pio serve` is still running and this device is connected, then try again.",
);

export const CUT = new Failure(
  "cut",
  "The connection was lost before the answer was complete.",
  "What had come is kept. Try again for a whole answer.",
);

/**
 * Say what an error of the protocol means.
 * @param {number} status Of HTTP.
 * @param {{message?: string, code?: string | null, param?: string | null} | undefined} error
 * @param {string | null} [retryAfter] Seconds.
 */
export function explain(status, error, retryAfter = null) {
  const message = sentence(error?.message ?? `The server answered with status ${status}.`);
  const when = retryAfter && /^\d+$/.test(retryAfter) ? `in ${retryAfter} s` : "in a moment";
  if (error?.code === "context_length_exceeded")
    return new Failure(
      "context",
      "The conversation is longer than this model can read. " + message,
      "Start a new conversation, shorten the question, ask for fewer tokens, or choose a model with a longer context.",
    );
  if (status === 401 || status === 403) return new Failure("key", message, "Enter an API key that this server knows.");
  if (status === 404) return new Failure("model", message, "Choose another model.");
  if (status === 413) return new Failure("request", message, "Shorten the question or start a new conversation.");
  if (status === 429)
    return new Failure("busy", "The server has as much to do as it takes on. " + message, `Try again ${when}.`);
  if (status === 503)
    return new Failure("unavailable", "The model is not available now. " + message, `Try again ${when}.`);
  if (status >= 500) return new Failure("server", message, "Try again; if it stays so, see the server's log.");
  const setting = SETTINGS[error?.param ?? ""];
  return new Failure("request", message, setting ? `Change “${setting}” in the settings.` : "Change the question.");
}

/** Where a field of the request is set. @type {Record<string, string>} */
const SETTINGS = {
  temperature: "Temperature",
  top_p: "Top-p",
  max_tokens: "Most tokens",
  max_completion_tokens: "Most tokens",
  seed: "Seed",
};

/** @param {string} text */
function sentence(text) {
  const capital = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : capital + ".";
}
