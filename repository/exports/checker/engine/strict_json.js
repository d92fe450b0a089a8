// JSON of our subset (docs/format.md 1), read from the exact text. JSON.parse would take the last
// of two equal keys, round numbers beyond 2^53 and obey `__proto__`: so objects are Maps here.

import { utf8 } from "./bytes.js";
import { ParseError } from "./outcomes.js";

const DEEPEST = 900;
const NUMBER = /-?[0-9][0-9.eE+-]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const SPACE = /[ \t\n\r]*/y;
const ESCAPES = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };
const WORDS = new Map([["t", ["true", true]], ["f", ["false", false]], ["n", ["null", null]]]);

const bad = (why) => new ParseError(`not JSON as allowed: ${why}`);

/** The value of a text: Map, Array, string, whole number, boolean or null. Keys are sorted. */
export function parseJson(text) {
  const reader = { text, at: 0 };
  const value = readValue(reader, 0);
  skip(reader);
  if (reader.at !== text.length) throw bad(`more after its end, at ${reader.at}`);
  return value;
}

function skip(reader) {
  SPACE.lastIndex = reader.at;
  SPACE.test(reader.text);
  reader.at = SPACE.lastIndex;
}

function readValue(reader, depth) {
  if (depth > DEEPEST) throw bad("too deep");
  skip(reader);
  const sign = reader.text[reader.at];
  if (sign === "{") return readObject(reader, depth);
  if (sign === "[") return readArray(reader, depth);
  if (sign === '"') return readString(reader);
  const word = WORDS.get(sign);
  if (word && reader.text.startsWith(word[0], reader.at)) {
    reader.at += word[0].length;
    return word[1];
  }
  NUMBER.lastIndex = reader.at;
  const digits = NUMBER.exec(reader.text)?.[0];
  if (digits === undefined) throw bad(`nothing that begins a value, at ${reader.at}`);
  if (!/^(0|-?[1-9][0-9]{0,15})$/.test(digits) || !Number.isSafeInteger(Number(digits))) {
    throw new ParseError("a number that is no integer, out of range, or written oddly");
  }
  reader.at += digits.length;
  return Number(digits);
}

function readArray(reader, depth) {
  const found = [];
  reader.at += 1;
  skip(reader);
  if (reader.text[reader.at] === "]") return (reader.at += 1), found;
  for (;;) {
    found.push(readValue(reader, depth + 1));
    if (ends(reader, "]")) return found;
  }
}

function readObject(reader, depth) {
  const pairs = [];
  reader.at += 1;
  skip(reader);
  if (reader.text[reader.at] === "}") return (reader.at += 1), new Map();
  do {
    skip(reader);
    if (reader.text[reader.at] !== '"') throw bad(`a key that is no string, at ${reader.at}`);
    const key = readString(reader);
    skip(reader);
    if (reader.text[reader.at] !== ":") throw bad(`a key without a value, at ${reader.at}`);
    reader.at += 1;
    pairs.push([key, readValue(reader, depth + 1)]);
  } while (!ends(reader, "}"));
  pairs.sort(([one], [two]) => (one < two ? -1 : one > two ? 1 : 0)); // by UTF-16 code units
  const found = new Map(pairs);
  if (found.size !== pairs.length) throw new ParseError("a key stands twice in one object");
  return found;
}

function ends(reader, bracket) {
  skip(reader);
  const sign = reader.text[reader.at];
  if (sign !== bracket && sign !== ",") throw bad(`neither a comma nor an end, at ${reader.at}`);
  reader.at += 1;
  return sign === bracket;
}

function readString(reader) {
  const pieces = [];
  reader.at += 1;
  for (;;) {
    PLAIN.lastIndex = reader.at;
    const plain = PLAIN.exec(reader.text)[0];
    pieces.push(plain);
    reader.at += plain.length;
    const sign = reader.text[reader.at];
    if (sign === '"') break;
    if (sign !== "\\") throw bad(`a string that does not end, at ${reader.at}`);
    const kind = reader.text[reader.at + 1];
    const digits = reader.text.slice(reader.at + 2, reader.at + 6);
    if (kind === "u" && /^[0-9a-fA-F]{4}$/.test(digits)) {
      pieces.push(String.fromCharCode(parseInt(digits, 16)));
      reader.at += 6;
    } else if (kind !== undefined && Object.hasOwn(ESCAPES, kind)) {
      pieces.push(ESCAPES[kind]);
      reader.at += 2;
    } else {
      throw bad(`an escape that is none, at ${reader.at}`);
    }
  }
  reader.at += 1;
  const text = pieces.join("");
  if (pieces.length > 1 && /\p{Cs}/u.test(text)) throw bad("a lone surrogate");
  return text;
}

/** A value of `parseJson` as canonical JSON (RFC 8785). */
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!(value instanceof Map)) return JSON.stringify(value);
  const keys = [...value.keys()].sort();
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value.get(key))}`).join(",")}}`;
}

export const INT = Symbol("a whole number");
export const TEXT = Symbol("a text");
export const LIST = Symbol("a list");
export const DICT = Symbol("an object");

function fits(value, wanted) {
  if (wanted === INT) return typeof value === "number";
  if (wanted === TEXT) return typeof value === "string";
  if (wanted === LIST) return Array.isArray(value);
  if (wanted === DICT) return value instanceof Map;
  if (wanted instanceof RegExp) return typeof value === "string" && wanted.test(value);
  if (Array.isArray(wanted)) {
    const same = Array.isArray(value) && value.length === wanted.length;
    return same && wanted.every((one, place) => one === value[place]);
  }
  return value === wanted;
}

/** The members of an object that a shape names, each as the shape demands. */
export function members(holder, shape, where = "") {
  return Object.entries(shape).map(([name, wanted]) => {
    const value = holder instanceof Map ? holder.get(name) : undefined;
    if (!fits(value, wanted)) throw new ParseError(`${where}${name} is missing, or not as it must be`);
    return value;
  });
}

/** The fields of an entry's body, which must be canonical and of version 1. */
export function parseBody(text) {
  const fields = parseJson(text);
  members(fields, { v: 1, type: TEXT });
  if (utf8(text).length > 65_535 || canonical(fields) !== text) {
    throw new ParseError("a body that is not canonical, or longer than allowed");
  }
  return fields;
}
