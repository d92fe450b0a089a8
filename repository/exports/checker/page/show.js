// What was found, on the page. Every text of a bundle goes in as text, isolated, with signs that turn
// or hide writing shown as U+XXXX: nothing of it is ever markup.

import { shown } from "../engine/outcomes.js";
import { hasWords, numberWords, parts } from "./words.js";

const REQUIRED = new Set(["bag", "digests", "log-signature", "inclusion", "exhibit.seq", "complete", "closing"]);
const SYMBOLS = { pass: "✓", fail: "✗", "not-done": "?" };
const AT_ONCE = 200;

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A text that the page did not write itself. */
export function foreign(text, most = 2_000) {
  return element("bdi", {}, shown(text, most));
}

const digits = (text) => element("bdi", { dir: "ltr", className: "print" }, shown(text, 200));
const named = (key, value) => element("p", {}, ...parts(key), ": ", value);

/** The verdict that stands above everything. */
export function verdict(kind, word, ...more) {
  const head = element("h2", { id: "verdict", tabIndex: -1 }, `${SYMBOLS[word]} `, ...parts(`verdict_${kind}`));
  const box = element("div", { className: `verdict ${word}` }, head, element("p", {}, ...parts(`verdict_${kind}_text`)));
  box.append(...more);
  return box;
}

function claim({ claim: name, outcome, detail }) {
  const asked = outcome === "not-done" ? "undone" : outcome;
  const meaning = hasWords(`${name}_${asked}`) ? `${name}_${asked}` : "undone";
  const head = element("h3", {}, ...parts(name));
  const must = REQUIRED.has(name) ? [" · ", ...parts("required")] : [];
  const state = element("p", {}, element("span", { className: `word ${outcome}` }, `${SYMBOLS[outcome]} `, ...parts(outcome)), ...must);
  const exact = element("p", { className: "exact" }, ...parts("finding"), ` (${name}): `);
  exact.append(element("bdi", { lang: "en", dir: "ltr" }, detail));
  const made = element("li", { className: `claim ${outcome}` }, head, state, element("p", {}, ...parts(meaning)), exact);
  made.dataset.claim = name;
  made.dataset.outcome = outcome;
  return made;
}

function keys(found) {
  const wanted = found.keys.map((key) => key.fingerprint);
  const answer = element("p", { role: "status" });
  const field = element("input", { type: "text", id: "fingerprint", autocomplete: "off", spellcheck: false });
  field.addEventListener("input", () => {
    const given = field.value.toLowerCase().replace(/[^0-9a-f]/g, "");
    const same = wanted.includes(given);
    answer.className = same ? "word pass" : "word fail";
    answer.replaceChildren(...(given.length < 64 ? [] : [`${SYMBOLS[same ? "pass" : "fail"]} `, ...parts(same ? "key_same" : "key_differs")]));
  });
  const label = element("label", { htmlFor: "fingerprint" }, ...parts("key_compare"));
  return element(
    "section", {}, element("h2", {}, ...parts("key")), element("p", {}, ...parts("key_text")),
    ...found.keys.map((key) => element("p", {}, foreign(key.name), digits(key.fingerprint))),
    element("div", { className: "compare" }, label, field, answer),
  );
}

function row(entry) {
  const what = element("strong", {}, foreign(entry.type.replaceAll("_", " ")));
  const outcome = [entry.outcome, entry.reason, entry.attempted].filter(Boolean).join(" · ");
  const made = element("li", {}, element("p", {}, element("bdi", { dir: "ltr" }, shown(entry.at, 40)), " · ", what, " · ", foreign(outcome), " · ", element("bdi", { dir: "ltr" }, `#${entry.index}`)));
  made.lang = "en";
  const own = (node) => Object.assign(node, { lang: document.documentElement.lang });
  if (entry.actor) made.append(own(named("actor", element("span", { lang: "en" }, foreign(entry.role), " ", foreign(entry.actor)))));
  for (const [name, value] of entry.opened) {
    made.append(own(element("p", {}, ...parts("opened"), " · ", foreign(name), ": ", foreign(value))));
  }
  if (entry.withheld.length) made.append(own(named("withheld", foreign(entry.withheld.join(", ")))));
  if (entry.handling) made.append(own(named("handling", foreign(entry.handling))));
  return made;
}

function exhibit(about, ask) {
  const head = element("summary", {}, ...parts("history", { number: foreign(about.number), count: numberWords(Number(about.entries)) }));
  const size = numberWords(BigInt(/^[0-9]+$/.test(about.size) ? about.size : 0));
  const made = element("details", {}, head, element("p", {}, ...parts("bytes", { size: element("bdi", {}, size) }), digits(about.sha256)));
  const list = element("ol", { className: "history" });
  const more = element("button", { type: "button", hidden: true }, ...parts("more"));
  made.fill = async () => {
    const found = await ask(about.number, list.children.length, AT_ONCE);
    list.append(...found.rows.map(row));
    more.hidden = list.children.length >= found.total;
  };
  more.addEventListener("click", () => made.fill());
  made.addEventListener("toggle", () => { if (made.open && !list.children.length) made.fill(); });
  made.append(list, more);
  return made;
}

function exhibits(found, ask) {
  const held = (claim_) => found.findings.find((one) => one.claim === claim_)?.outcome;
  const proved = held("canonical") === "pass" && held("inclusion") === "pass" && held("openings") !== "fail";
  const made = element("section", { id: "exhibits" }, element("h2", {}, ...parts("exhibits")));
  if (!proved) return made.append(element("p", {}, ...parts("unproved"))), made;
  made.append(element("p", { className: "hint" }, ...parts("history_note")));
  const left = found.exhibits.slice();
  const more = element("button", { type: "button" }, ...parts("more"));
  const add = () => {
    more.before(...left.splice(0, AT_ONCE).map((about) => exhibit(about, ask)));
    more.hidden = !left.length;
  };
  more.addEventListener("click", add);
  made.append(more);
  add();
  return made;
}

function leftOut(found) {
  const lines = found.leftOut.slice(0, AT_ONCE * 5).map(({ what, why }) => element("li", { lang: "en", dir: "ltr" }, foreign(what), ": ", foreign(why)));
  const none = element("p", {}, ...parts("left_out_none"));
  return element("section", {}, element("h2", {}, ...parts("left_out")), lines.length ? element("ul", {}, ...lines) : none);
}

/** Everything about one check; `ask` gives the entries of an exhibit. */
export function result(found, name, ask) {
  const kind = { 0: "pass", 1: "fail", 3: "undone" }[found.exit];
  const word = { 0: "pass", 1: "fail", 3: "not-done" }[found.exit];
  const origin = found.origin ? [" · ", foreign(found.origin, 200)] : [];
  return [
    verdict(kind, word, element("p", {}, foreign(name, 200), ...origin)),
    element("h2", {}, ...parts("claims")),
    element("ol", { className: "claims" }, ...found.findings.map(claim)),
    ...(found.keys.length ? [keys(found)] : []),
    exhibits(found, ask),
    ...(found.kind === "bundle" ? [leftOut(found)] : []),
  ];
}
