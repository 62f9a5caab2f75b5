// From a conversation to a request, and from the chunks of an answer to a message.

import { streamCompletion } from "./api.js";

/**
 * @typedef {{name: string, arguments: string}} ToolCall
 * @typedef {{role: "user" | "assistant", content: string, model?: string, toolCalls?: ToolCall[], state?: State,
 *   loading?: boolean, finish?: string, promptTokens?: number, cachedTokens?: number, newTokens?: number, speed?: number,
 *   failure?: {kind: string, message: string, advice: string}}} Message
 * @typedef {"waiting" | "writing" | "done" | "stopped" | "failed"} State
 * @typedef {import("./settings.js").Sampling} Sampling
 * @typedef {import("./models.js").Model} Model
 */

/**
 * Write the request that asks for the next message.
 * @param {Model} model
 * @param {Message[]} messages
 * @param {Sampling} sampling Fields that are undefined are left to the model.
 * @returns {{path: string, body: object}}
 */
export function requestFor(model, messages, { system, maxTokens, ...sampling }) {
  const common = { model: model.id, ...sampling, stream: true, stream_options: { include_usage: true } };
  if (model.chats === false) {
    const prompt = answered(messages).map((message) => message.content).join("\n"); // the text so far, as it stands
    return { path: "/v1/completions", body: { ...common, prompt, max_tokens: maxTokens } };
  }
  const said = answered(messages).map(({ role, content, toolCalls }) => ({ role, content: content || written(toolCalls) }));
  const all = system ? [{ role: "system", content: system }, ...said] : said;
  return { path: "/v1/chat/completions", body: { ...common, messages: all, max_completion_tokens: maxTokens } };
}

/**
 * Leave out questions that got no answer, beside the last one: templates want turns to alternate.
 * @param {Message[]} messages
 */
const answered = (messages) =>
  messages.filter((message, place) => {
    const answer = message.role === "user" ? messages[place + 1] : message;
    return !answer || answer.content || answer.toolCalls;
  });

/** @param {ToolCall[]} [calls] */
const written = (calls = []) => calls.map((call) => `${call.name}(${call.arguments})`).join("\n");

/**
 * Fill a message with an answer while it comes.
 * @param {Message} message Changed in place.
 * @param {{path: string, body: object}} request
 * @param {AbortSignal} signal
 * @param {() => void} changed Called after each change.
 */
export async function receive(message, { path, body }, signal, changed) {
  let first = 0;
  for await (const chunk of streamCompletion(path, body, signal)) {
    const choice = chunk.choices?.[0];
    const text = choice?.delta?.content ?? choice?.text ?? "";
    if (text) message.content += text;
    for (const part of choice?.delta?.tool_calls ?? []) addToolCall(message, part);
    if (choice?.finish_reason) message.finish = choice.finish_reason;
    if (chunk.usage) count(message, chunk.usage, first);
    if (text || message.toolCalls) {
      message.state = "writing";
      first ||= performance.now();
    }
    changed();
  }
}

/** @param {Message} message @param {any} part */
function addToolCall(message, part) {
  message.toolCalls ??= [];
  const call = (message.toolCalls[part.index ?? 0] ??= { name: "", arguments: "" });
  call.name += part.function?.name ?? "";
  call.arguments += part.function?.arguments ?? "";
}

/** @param {Message} message @param {any} usage @param {number} first When the first text came, ms; 0 if none did. */
function count(message, usage, first) {
  const seconds = (performance.now() - first) / 1000;
  message.promptTokens = usage.prompt_tokens;
  message.newTokens = usage.completion_tokens;
  message.cachedTokens = usage.prompt_tokens_details?.cached_tokens;
  // The first token's time is the prompt's, so n tokens make n - 1 intervals.
  if (first && usage.completion_tokens > 1 && seconds > 0) message.speed = (usage.completion_tokens - 1) / seconds;
}
