// custody.json, read block by block: its entries are many, and each is kept as small as it can be.

import { decoded, utf8 } from "./bytes.js";
import { NotDone, ParseError } from "./outcomes.js";
import { parseProof } from "./notes.js";
import { DICT, INT, TEXT, canonical, members, parseBody, parseJson } from "./strict_json.js";
import { HERE, MOST, textOf, texts } from "./sources.js";

export const ENTRY = { index: INT, body: TEXT, proof: TEXT, openings: DICT };
const LIST_BEGINS = ',"list":{"files":[\n'; // ends the first line of a submission's receipt
const STREAMED = 8 * 1_048_576; // a smaller one is read whole

/** One entry: its body as bytes, its proof taken apart; what is wrong with it is said when it is asked. */
export class Entry {
  constructor(told, notes) {
    this.problem = this.bodyProblem = this.proofProblem = null;
    this.index = null;
    try {
      const [index, body, proof, openings] = members(told, ENTRY);
      this.index = index;
      this.body = utf8(body);
      this.openings = openings.size ? utf8(canonical(openings)) : null;
      this.type = attempt(this, "bodyProblem", () => parseBody(body).get("type"));
      this.proof = attempt(this, "proofProblem", () => kept(parseProof(proof), notes));
    } catch (error) {
      this.problem = error;
    }
  }

  /** What the body says; it was found canonical before. */
  fields() {
    if (this.problem) throw this.problem;
    if (this.bodyProblem) throw this.bodyProblem;
    return parseJson(decoded(this.body));
  }

  opened() {
    return this.openings ? parseJson(decoded(this.openings)) : new Map();
  }

  proved() {
    if (this.problem) throw this.problem;
    if (this.proofProblem) throw this.proofProblem;
    const { index, hashes, note } = this.proof;
    const path = Array.from({ length: hashes.length / 32 }, (_, n) => hashes.subarray(32 * n, 32 * n + 32));
    return { index, hashes: path, note };
  }
}

function attempt(entry, where, make) {
  try {
    return make();
  } catch (error) {
    entry[where] = error;
    return null;
  }
}

/** A proof whose checkpoint, the same text in thousands of them, is held once. */
function kept(proof, notes) {
  if (!notes.has(proof.note)) notes.set(proof.note, [...proof.note].join(""));
  const hashes = new Uint8Array(32 * proof.hashes.length);
  proof.hashes.forEach((hash, place) => hashes.set(hash, 32 * place));
  return { index: proof.index, hashes, note: notes.get(proof.note) };
}

/** The document without its entries, and the entries. */
export async function readCustody(source) {
  const notes = new Map();
  if (source.size < STREAMED) {
    const document = parseJson(await textOf(source));
    const listed = document instanceof Map ? document.get("entries") : undefined;
    if (!Array.isArray(listed)) return { document, entries: [] };
    document.set("entries", []);
    return { document, entries: listed.map((one) => new Entry(one, notes)) };
  }
  return streamed(source, notes);
}

/** A receipt as its one entry; of a submission's only the first line, the list is read apart. */
export async function readReceipt(source) {
  const first = await firstLine(source);
  const text = first?.endsWith(LIST_BEGINS) ? `${first}]}}` : await textOf(source);
  return { document: parseJson(text), begun: first?.endsWith(LIST_BEGINS) ?? false };
}

async function firstLine(source) {
  let text = "";
  for await (const block of texts(source)) {
    const end = block.indexOf("\n");
    if (end >= 0) return text + block.slice(0, end + 1);
    text += block;
    if (text.length > 64 * 1_048_576) return null;
  }
  return text;
}

/** The lines of a text, each with its newline if it has one. */
export async function* lines(source) {
  let rest = "";
  for await (const block of texts(source)) {
    const found = (rest + block).split("\n");
    rest = found.pop();
    for (const line of found) yield `${line}\n`;
    if (rest.length > 64 * 1_048_576) throw new ParseError("a line too long to be what it should be");
  }
  if (rest) yield rest;
}

/** Read a large custody.json: the elements of `entries` one by one, all the rest as one text. */
async function streamed(source, notes) {
  if (source.size >= MOST) throw new ParseError("a text too large to be what it should be");
  const entries = [];
  const rest = []; // the document's text, its entries left out
  const scan = new Scan();
  for await (const block of texts(source)) {
    scan.feed(block, (element) => entries.push(new Entry(parseJson(element), notes)), rest);
    if (scan.kept > HERE) throw new NotDone("more than this page reads; use verify.py");
  }
  const document = parseJson(rest.join(""));
  if (!(document instanceof Map && Array.isArray(document.get("entries")))) return { document, entries: [] };
  return { document, entries };
}

/** Where the elements of the member `entries` of the outermost object begin and end. */
class Scan {
  constructor() {
    this.depth = 0;
    this.quoted = this.escaped = false;
    this.word = ""; // the string that began last in the outermost object, as it is written
    this.key = ""; // the key that it was
    this.inside = false; // within the list `entries`
    this.element = []; // pieces of the element that is being read
    this.first = true;
    this.kept = 0; // how much of the text waits to be read, or goes to `rest`
  }

  feed(text, give, rest) {
    let from = 0; // what is not yet handed on
    for (let at = 0; at < text.length; at += 1) {
      const sign = text.charCodeAt(at);
      if (this.quoted) {
        if (this.depth === 1) this.word += text[at];
        if (this.escaped) this.escaped = false;
        else if (sign === 0x5c) this.escaped = true;
        else if (sign === 0x22) this.quoted = false;
        continue;
      }
      if (sign === 0x22) {
        this.quoted = true;
        if (this.depth === 1) this.word = '"';
      } else if (sign === 0x3a && this.depth === 1) {
        this.key = this.word;
      } else if (sign === 0x7b || sign === 0x5b) {
        this.depth += 1;
        if (this.depth === 2 && sign === 0x5b && this.isEntries()) {
          rest.push(text.slice(from, at + 1));
          from = at + 1;
          this.inside = true;
          this.first = true;
        }
      } else if (sign === 0x7d || sign === 0x5d) {
        this.depth -= 1;
        if (this.inside && this.depth === 1) {
          this.finish(text.slice(from, at), give, true);
          from = at;
          this.inside = false;
        }
      } else if (sign === 0x2c && this.inside && this.depth === 2) {
        this.finish(text.slice(from, at), give, false);
        from = at + 1;
      }
      if (this.depth === 1 && sign !== 0x22 && sign !== 0x3a && !/\s/.test(text[at])) this.word = "";
    }
    (this.inside ? this.element : rest).push(text.slice(from));
    this.kept += text.length - from;
  }

  isEntries() {
    return this.key !== "" && parseJson(this.key) === "entries";
  }

  finish(last, give, end) {
    const element = this.element.join("") + last;
    this.element = [];
    this.kept = 0;
    const empty = !/[^ \t\n\r]/.test(element);
    if (empty && end && this.first) return;
    this.first = false;
    give(element);
  }
}
