// Markdown to elements. A model's answer is a stranger's text: markup in it is shown, not obeyed; what Markdown makes of
// it goes through DOMPurify; nothing in it loads anything or acts on this page.

import { copyButton, make } from "./dom.js";
import purify from "./vendor/dompurify/purify.es.mjs";
import highlighter from "./vendor/highlightjs/highlight.min.js";
import { Marked } from "./vendor/marked/marked.esm.js";

const CLEAN = {
  RETURN_DOM_FRAGMENT: true,
  ALLOWED_TAGS: [
    ..."p br hr strong em del a code pre span blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td".split(" "),
  ],
  ALLOWED_ATTR: ["href", "title", "class", "start", "align"],
  ADD_URI_SAFE_ATTR: ["start", "align"], // no addresses
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i, // nor relative ones: they would lead to this server
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
};

const LONGEST_HIGHLIGHT = 50_000; // characters; beyond, colours cost more than they tell

const markdown = new Marked({ gfm: true });
markdown.use({
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => `<a href="${escape(href)}">Image: ${escape(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    heading({ tokens, depth }) {
      const level = Math.min(depth + 2, 6); // below the heading of the message
      return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>`;
    },
    code: ({ text, lang }) => {
      const language = (lang ?? "").match(/^[\w+#-]+/)?.[0] ?? "";
      const known = highlighter.getLanguage(language) && text.length < LONGEST_HIGHLIGHT;
      const code = known ? highlighter.highlight(text, { language }).value : escape(text);
      return `<pre><code class="language-${language}">${code}\n</code></pre>`;
    },
  },
});

/** @param {string} text */
const escape = (text) =>
  text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** @param {any[]} tokens @returns {DocumentFragment} */
function render(tokens) {
  const fragment = /** @type {any} */ (purify.sanitize(markdown.parser(tokens), CLEAN)); // a fragment, as CLEAN says
  for (const link of fragment.querySelectorAll("a")) {
    link.rel = "noopener noreferrer";
    link.target = "_blank";
  }
  fragment.querySelectorAll("pre").forEach(dressCode);
  for (const table of fragment.querySelectorAll("table")) {
    const box = make("div", { class: "table", tabindex: "0", role: "group", "aria-label": "Table" });
    table.replaceWith(box);
    box.append(table);
  }
  for (const text of fragment.querySelectorAll("p, li, h3, h4, h5, h6, th, td")) text.dir = "auto";
  return fragment;
}

/** Put a bar with the language and a copy button above a block of code. @param {HTMLPreElement} pre */
function dressCode(pre) {
  const language = pre.firstElementChild?.className.replace("language-", "") || "text";
  pre.tabIndex = 0; // so that the keyboard can scroll it
  pre.setAttribute("role", "group");
  pre.setAttribute("aria-label", `Code, ${language}`);
  const copy = copyButton(() => (pre.textContent ?? "").replace(/\n$/, ""), "Copy the code");
  const figure = make("figure", { class: "code", dir: "ltr" }, make("div", { class: "caption" }, make("span", {}, language), copy));
  pre.replaceWith(figure);
  figure.append(pre);
}

/** A call of a tool, as code. @param {{name: string, arguments: string}} call */
export function renderToolCall(call) {
  let text = call.arguments;
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // Not whole yet, or never: as it came.
  }
  const fragment = render([{ type: "code", text, lang: "json" }]);
  /** @type {any} */ (fragment.querySelector(".caption span")).textContent = `tool call: ${call.name}`;
  return fragment;
}

/** Text that grows, as a column of blocks: only those that changed are made anew, so that a selection stays. */
export class MarkdownView {
  /** @param {HTMLElement} place Is filled. */
  constructor(place) {
    this.place = place;
    /** @type {{raw: string, element: HTMLElement}[]} */
    this.blocks = [];
    this.finished = 0;
  }

  /**
   * @param {string} source All of the text so far.
   * @param {boolean} isDone Whether it is complete.
   * @returns {string[]} What the blocks say that have become complete, for reading aloud.
   */
  update(source, isDone) {
    const tokens = blocksOf(source);
    // A reference at the end gives its address to links far above.
    if (isDone && Object.keys(tokens.links ?? {}).length) this.blocks.splice(0).forEach((block) => block.element.remove());
    tokens.forEach((/** @type {any} */ token, /** @type {number} */ place) => {
      if (this.blocks[place]?.raw === token.raw) return;
      const element = make("div", { class: "block" }, renderSafely(token));
      if (this.blocks[place]) this.blocks[place].element.replaceWith(element);
      else this.place.append(element);
      this.blocks[place] = { raw: token.raw, element };
    });
    this.blocks.splice(tokens.length).forEach((block) => block.element.remove());
    const complete = isDone ? this.blocks.length : Math.max(this.blocks.length - 1, this.finished);
    const fresh = this.blocks.slice(this.finished, complete).map((block) => spoken(block.element));
    this.finished = complete;
    return fresh.filter(Boolean);
  }
}

/** @param {string} source @returns {any} */
function blocksOf(source) {
  try {
    const tokens = markdown.lexer(source);
    const blocks = tokens.filter((/** @type {any} */ token) => token.type !== "space" && token.type !== "def");
    setLevels(blocks.filter((/** @type {any} */ token) => token.type === "heading"));
    return Object.assign(blocks, { links: tokens.links });
  } catch {
    return [{ type: "plain", raw: source }]; // nested deeper than the parser goes
  }
}

/** Let the first heading be the highest, and skip no level below it: who listens finds the way by them. @param {any[]} headings */
function setLevels(headings) {
  const highest = headings[0]?.depth;
  let before = 0;
  for (const heading of headings) {
    heading.depth = Math.max(1, Math.min(heading.depth - highest + 1, before + 1));
    before = heading.depth;
  }
}

/** @param {any} token */
function renderSafely(token) {
  try {
    if (token.type !== "plain") return render([token]);
  } catch (error) {
    if (!(error instanceof RangeError)) console.error(error); // nested too deeply, as above: then as it stands
  }
  return make("p", { class: "plain", dir: "auto" }, token.raw);
}

/** @param {HTMLElement} block */
function spoken(block) {
  const code = block.querySelector("pre");
  if (!code) return block.textContent?.trim() ?? "";
  const lines = (code.textContent ?? "").trim().split("\n").length;
  return `${code.getAttribute("aria-label")}, ${lines} ${lines === 1 ? "line" : "lines"}.`;
}
