// Keys, checkpoints, proofs, policies and trust files (docs/format.md 4, 5, 7).

import { hex, sha256, unbase64, utf8 } from "./bytes.js";
import { verifies } from "./ed25519.js";
import { ParseError } from "./outcomes.js";
import { INT, LIST, TEXT, members, parseJson } from "./strict_json.js";

const KEY_SIZES = new Map([[1, 32], [4, 32], [6, 1312]]); // Ed25519; cosignatures Ed25519, ML-DSA-44
const COSIGNATURES = new Map([[4, 64], [6, 2420]]);
const DECIMAL = "(?:0|[1-9][0-9]{0,18})";
// White space as the verifier in Python has it: a name holds none of it.
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const VKEY = new RegExp(`^([^${BLANK}+]+)\\+([0-9a-f]{8})\\+([^\\n]+)$`, "u");
const NOTE = new RegExp(
  `^(([^\\n]+)\\n(${DECIMAL})\\n([^\\n]+)\\n)\\n((?:\\u2014 [^${BLANK}+]+ [^${BLANK}]+\\n){1,100})$`, "u",
);
const PROOF = new RegExp(
  `^c2sp\\.org/tlog-proof@v1\\n(?:extra ([^\\n]+)\\n)?index (${DECIMAL})\\n((?:[^\\n]+\\n){0,63})\\n`, "u",
);

/** A verifier key (C2SP signed-note); two of the same text are the same object. */
const known = new Map();
export function parseVkey(text, ...kinds) {
  const match = VKEY.exec(text);
  const blob = match ? unbase64(match[3]) : new Uint8Array();
  if (!match || !kinds.includes(blob[0]) || blob.length !== 1 + KEY_SIZES.get(blob[0])) {
    throw new ParseError("not a verifier key of a type allowed here");
  }
  const id = hex(sha256(utf8(`${match[1]}\n`), blob).subarray(0, 4));
  if (id !== match[2]) {
    throw new ParseError(`the key id of ${match[1]} does not follow from its name and key`);
  }
  if (!known.has(text)) {
    known.set(text, { vkey: text, name: match[1], id, kind: blob[0], public: blob.subarray(1) });
  }
  return known.get(text);
}

/** What people compare: the digest of the key's text. */
export const fingerprint = (key) => hex(sha256(utf8(key.vkey)));

/** A checkpoint, and of the lines of these keys whether they verify: true, false, or null (not checked). */
export async function openNote(text, keys) {
  const match = NOTE.exec(text);
  // eslint-disable-next-line no-control-regex
  if (!match || /[\x00-\x09\x0b-\x1f\x7f]/.test(text)) {
    throw new ParseError("a checkpoint is three lines, an empty line, and signature lines");
  }
  const lines = match[5].split("\n").slice(0, -1).map((line) => {
    const [, name, signature] = line.split(" ");
    return [name, unbase64(signature)];
  });
  const root = unbase64(match[4], 32);
  const note = { lines: lines.length, body: match[1], origin: match[2], size: BigInt(match[3]), root, verdicts: new Map() };
  for (const [name, blob] of lines) {
    for (const key of keys) {
      const theirs = key.name === name && key.id === hex(blob.subarray(0, 4));
      if (theirs && note.verdicts.get(key) !== false) {
        note.verdicts.set(key, await lineVerifies(key, blob.subarray(4), note));
      }
    }
  }
  return note;
}

async function lineVerifies(key, blob, note) {
  if (key.kind === 1) return verifies(key.public, blob, utf8(note.body));
  const signature = blob.subarray(8);
  if (blob.length < 8 || signature.length !== COSIGNATURES.get(key.kind)) return false;
  const at = new DataView(blob.buffer, blob.byteOffset).getBigUint64(0);
  if (at === 0n) return false;
  if (key.kind === 6) return null; // ML-DSA: no browser can check it
  return verifies(key.public, signature, utf8(`cosignature/v1\ntime ${at}\n${note.body}`));
}

/** Index, hashes and checkpoint of a C2SP tlog-proof. */
export function parseProof(text) {
  const match = PROOF.exec(text);
  if (!match) throw new ParseError("not a tlog-proof of version 1");
  unbase64(match[1] ?? "");
  const hashes = match[3].split("\n").slice(0, -1).map((line) => unbase64(line, 32));
  return { index: BigInt(match[2]), hashes, note: text.slice(match[0].length) };
}

const trimmed = (line) => line.replace(/^[ \t]+|[ \t]+$/g, "");

/** The keys, names and quorum of a C2SP tlog-policy. */
export function parsePolicy(text) {
  const found = { logs: [], witnesses: [], names: new Map([["none", [0, []]]]), quorum: "" };
  const taken = [];
  const quorums = [];
  // eslint-disable-next-line no-control-regex
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(text) || !text.endsWith("\n")) {
    throw new ParseError("a policy with control characters, or without its last newline");
  }
  for (const line of text.split("\n")) {
    const [kind, ...words] = trimmed(line).split(/[ \t]+/);
    const fresh = words.length > 0 && !found.names.has(words[0]);
    if (!kind || kind.startsWith("#")) continue;
    if (kind === "log" && (words.length === 1 || words.length === 2)) {
      found.logs.push(parseVkey(words[0], 1, 6));
    } else if (kind === "witness" && (words.length === 2 || words.length === 3) && fresh) {
      found.witnesses.push(parseVkey(words[1], 4, 6));
      found.names.set(words[0], [1, [found.witnesses.at(-1)]]);
    } else if (kind === "group" && words.length > 2 && fresh && words.slice(2).every(
      (name) => name !== "none" && found.names.has(name),
    )) {
      const count = words.length - 2;
      const least = { any: "1", all: `${count}` }[words[1]] ?? words[1];
      if (!/^[1-9][0-9]{0,8}$/.test(least) || Number(least) > count) {
        throw new ParseError(`a group that nobody can or must reach: ${words[0]}`);
      }
      found.names.set(words[0], [Number(least), words.slice(2)]);
      taken.push(...words.slice(2));
    } else if (kind === "quorum" && words.length === 1 && !fresh) {
      quorums.push(...words);
    } else {
      throw new ParseError(`a policy line that is none, or of a name that is taken: ${line}`);
    }
  }
  const keys = [...found.logs, ...found.witnesses].map((key) => hex(key.public));
  // one key under two names, or a name in two groups, would count twice
  if (new Set(keys).size < keys.length || new Set(taken).size < taken.length || quorums.length !== 1) {
    throw new ParseError("a policy with a key or member twice, or without exactly one quorum");
  }
  return { ...found, quorum: quorums[0] };
}

/** Whether these keys meet the quorum; a group stands after all that it names. */
export function satisfied(policy, keys) {
  const signed = new Set(keys);
  for (const [name, [least, of]] of policy.names) {
    if (new Set(of.filter((one) => signed.has(one))).size >= least) signed.add(name);
  }
  return signed.has(policy.quorum);
}

const TRUST = { v: 1, kind: /^evidence-trust$/, origin: TEXT, keys: LIST, tsa_roots: LIST };

/** What a trust file says: log keys with their tree sizes, roots of time-stamps, a policy. */
export function parseTrust(text) {
  const trust = parseJson(text);
  const [, , origin, keys, roots] = members(trust, TRUST);
  if (!roots.every((root) => typeof root === "string")) throw new ParseError("a root that is no text");
  const found = keys.map((item) => {
    const [vkey, first] = members(item, { vkey: TEXT, from: INT });
    const end = item.get("to") === null ? 2n ** 63n : BigInt(members(item, { to: INT })[0]);
    const key = parseVkey(vkey, 1, 6);
    if (key.name !== origin || first < 0 || BigInt(first) >= end) {
      throw new ParseError("a trust file with a key of another origin, or of no tree size");
    }
    return { key, first: BigInt(first), end };
  });
  const policy = trust.has("policy") ? parsePolicy(...members(trust, { policy: TEXT })) : null;
  return { keys: found, roots, policy };
}
