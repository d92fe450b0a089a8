// The claims `closing` (after all else, the ledger recorded the digest of this bag's tag manifest) and
// `gap` (which entries the ledger says that those before it lost; nobody can check them).

import { decoded, utf8 } from "./bytes.js";
import { openNote, parseProof } from "./notes.js";
import { NotDone, ParseError } from "./outcomes.js";
import { CLOSING, EXPORT, SUCCESSIONS, TAGS } from "./shapes.js";
import { textOf } from "./sources.js";
import { DICT, INT, LIST, TEXT, canonical, members, parseBody, parseJson } from "./strict_json.js";
import { included, leafOf } from "./tree.js";

const CLOSED = { v: 1, kind: /^bundle-closing$/, opened: DICT, closed: DICT };
const PROVED = { index: INT, body: TEXT, proof: TEXT, openings: DICT };

const hasOnly = (told, shape) => told.size === Object.keys(shape).length;

export async function closingClaim(exam) {
  if (!exam.files.has(CLOSING)) {
    throw new NotDone("no closing entry: the export did not end, or is of an earlier version");
  }
  if (!exam.note || !exam.measured.size) throw new NotDone("the files could not be read");
  const text = await textOf(exam.files.get(CLOSING));
  const told = parseJson(text);
  const [, , first, last] = members(told, CLOSED);
  if (`${canonical(told)}\n` !== text || !hasOnly(told, CLOSED)) {
    throw new ParseError(`${CLOSING} is not laid out as it must be`);
  }
  const notes = [await proved(exam, first), await proved(exam, last)];
  if (notes[0].body !== notes[1].body || first.get("body") !== decoded(exam.entries.at(-1).body)) {
    throw new ParseError("it is not in one tree with this export's own entry");
  }
  if (BigInt(first.get("index")) !== exam.note.size - 1n || BigInt(last.get("index")) < exam.note.size) {
    throw new ParseError("its entries are not where they must be in the tree");
  }
  const [, request, exhibits] = members(exam.document, EXPORT);
  const fields = parseBody(last.get("body"));
  const done = { type: "report_generated", outcome: "done", request_id: request, count: exhibits.length };
  const outputs = members(fields, { ...done, outputs: LIST }).at(-1);
  const volumes = exam.document.has("volumes") ? members(exam.document, { volumes: INT })[0] : 0;
  if (fields.has("exhibit") || outputs.length !== Math.max(volumes, 1)) {
    throw new ParseError("the ledger recorded another number of volumes");
  }
  if (outputs[Math.max(exam.volume, 1) - 1] !== exam.measured.get(TAGS).digests.get("sha256")) {
    throw new ParseError("the ledger recorded another tag manifest than that of this bag");
  }
  return `entry ${last.get("index")} names the tag manifest of this bag`;
}

export async function gapClaim(exam) {
  const told = parseJson(await textOf(exam.files.get(SUCCESSIONS)));
  const lost = [];
  for (const entry of members(told, { v: 1, entries: LIST }).at(-1)) {
    await proved(exam, entry);
    const [said] = members(parseBody(entry.get("body")), { succession: DICT });
    const [origin, size, to] = members(said, { origin: TEXT, size: INT, to: INT });
    lost.push(`entries ${size} to ${BigInt(to) - 1n} of ${origin} are lost: entry ${entry.get("index")}`);
  }
  throw new NotDone(lost.join("; "));
}

async function proved(exam, entry) {
  const [place, body, proof, openings] = members(entry, PROVED);
  const { index, hashes, note: text } = parseProof(proof);
  const note = await openNote(text, exam.keys);
  if (index !== BigInt(place) || !included(index, note.size, leafOf(utf8(body)), hashes, note.root)) {
    throw new ParseError(`entry ${place} is not in the tree at its index`);
  }
  // nothing in it that nobody signed: no other line, no text that a reader passes over
  const alone = note.lines === 1 && note.verdicts.get(exam.signers[0]) === true;
  if (!alone || proof.includes("\nextra ") || openings.size || !hasOnly(entry, PROVED)) {
    throw new ParseError(`entry ${place} has not the one signature of the log's key, and no more`);
  }
  return note;
}
