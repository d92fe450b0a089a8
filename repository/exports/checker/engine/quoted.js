// The claim `quoted`: what other ledgers recorded of exhibits before they came.

import { utf8 } from "./bytes.js";
import { openNote, parsePolicy, parseProof } from "./notes.js";
import { ParseError } from "./outcomes.js";
import { IDENTITY, opened, same } from "./shapes.js";
import { textOf } from "./sources.js";
import { DICT, INT, LIST, TEXT, members, parseBody, parseJson } from "./strict_json.js";
import { included, leafOf } from "./tree.js";

const QUOTED = { v: 1, kind: /^quoted-history$/, checkpoint: TEXT, policy: TEXT, exhibit: DICT };

/** What other ledgers recorded of exhibits before they came, each proved in its own tree. */
export async function quotedClaim(exam) {
  const own = new Map(exam.document.get("exhibits").map((item) => [`quoted/${item.get("number")}.json`, item]));
  const origins = new Set();
  let count = 0;
  for (const name of [...exam.files.keys()].filter((one) => one.startsWith("quoted/")).sort()) {
    const about = own.get(name);
    let told = parseJson(await textOf(exam.files.get(name)));
    if (!about) throw new ParseError(`${name} is of no exhibit of this bundle`);
    while (told !== null) {
      const { note, entries } = await quotedHistory(exam, told, about, name);
      count += entries;
      told = told.get("quoted") ?? null;
      origins.add(note.origin);
    }
  }
  return `${count} entries quoted, as signed by ${[...origins].sort().join(", ")}`;
}

async function quotedHistory(exam, told, about, name) {
  const [, , text, policy, item] = members(told, QUOTED, `${name}: `);
  const [size, entries] = members(told, { tree_size: INT, entries: LIST }, `${name}: `);
  const { logs } = parsePolicy(policy);
  const note = await openNote(text, logs);
  if (!logs.some((key) => key.name === note.origin && note.verdicts.get(key) === true)) {
    throw new ParseError(`${name}: no signature of a key of ${note.origin}`);
  }
  if ([...note.verdicts.values()].includes(false) || note.size !== BigInt(size)) {
    throw new ParseError(`${name}: its checkpoint does not verify, or is of another size`);
  }
  entries.forEach((entry, n) => {
    const shape = { index: INT, body: TEXT, proof: TEXT, openings: DICT };
    const [index, body, proof, openings] = members(entry, shape, `${name}: `);
    const fields = parseBody(body);
    const path = parseProof(proof);
    const leaf = leafOf(utf8(body));
    if (path.index !== BigInt(index) || !included(path.index, note.size, leaf, path.hashes, note.root)) {
      throw new ParseError(`${name}: entry ${index} is not in the tree at its index`);
    }
    const identity = members(item, IDENTITY, `${name}: `);
    const found = members(fields.get("exhibit"), { ...IDENTITY, seq: n + 1 }, name);
    if (!same(found, [...identity, n + 1])) {
      throw new ParseError(`${name}: entry ${index} is of another exhibit`);
    }
    opened({ index }, fields, openings);
  });
  const theirs = [item.get("sha256"), item.get("size"), item.get("last_seq")];
  if (!same(theirs, [about.get("sha256"), about.get("size"), entries.length])) {
    throw new ParseError(`${name}: of other bytes than the exhibit, or not its whole history`);
  }
  return { note, entries: entries.length };
}
