// The server's API, as any client of the OpenAI protocol sees it.

import { CUT, Failure, LOST, explain } from "./failures.js";
import { readEvents } from "./sse.js";
import { tabStorage } from "./storage.js";

const KEY = "inference-pio:key";

/** The API key lives as long as the tab. @returns {string} */
export const apiKey = () => tabStorage.getItem(KEY) ?? "";

/** @param {string} key Empty to forget it. */
export const setApiKey = (key) => (key ? tabStorage.setItem(KEY, key) : tabStorage.removeItem(KEY));

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>} An answer of success.
 */
async function request(path, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { "Content-Type": "application/json" };
  if (apiKey()) headers.Authorization = `Bearer ${apiKey()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    throw options.signal?.aborted ? error : LOST;
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  throw explain(response.status, body?.error, response.headers.get("Retry-After"));
}

/** @returns {Promise<any[]>} What /v1/models lists. */
export async function listModels() {
  return (await (await request("/v1/models")).json()).data;
}

/**
 * Ask, and read the answer as it comes.
 * @param {string} path
 * @param {object} body
 * @param {AbortSignal} signal Aborting it ends the request; the server stops the work.
 * @returns {AsyncGenerator<any>} Chunks of the protocol.
 */
export async function* streamCompletion(path, body, signal) {
  const response = await request(path, { method: "POST", body: JSON.stringify(body), signal });
  try {
    for await (const data of readEvents(/** @type {ReadableStream<Uint8Array>} */ (response.body))) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw explain(500, chunk.error);
      yield chunk;
    }
  } catch (error) {
    throw signal.aborted || error instanceof Failure ? error : CUT;
  }
  if (!signal.aborted) throw CUT; // the end without [DONE]
}
