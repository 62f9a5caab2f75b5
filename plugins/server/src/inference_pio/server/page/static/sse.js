// Server-sent events out of a response's body. EventSource can only GET, so it is no use for questions.

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string>} The data of each event.
 */
export async function* readEvents(body) {
  const decoder = /** @type {ReadableWritablePair<string, Uint8Array>} */ (new TextDecoderStream());
  const reader = body.pipeThrough(decoder).getReader();
  let rest = "";
  /** @type {string[]} */
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) {
        if (rest === "\r" && data.length) yield data.join("\n"); // no "\n" follows that would belong to it
        return; // an event without its empty line is not whole, and is dropped as the standard says
      }
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = /** @type {string} */ (lines.pop());
      for (const line of lines) {
        if (line === "" && data.length) {
          yield data.join("\n");
          data = [];
        } else if (line.startsWith("data:")) {
          data.push(line.slice(line[5] === " " ? 6 : 5));
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // whoever stops reading lets the server know
  }
}
