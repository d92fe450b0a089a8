// The claims `canonical`, `inclusion`, `exhibit.seq` and `openings`: the entries, each and together.

import { Entry, readReceipt } from "./entries.js";
import { leafOf, included } from "./tree.js";
import { openNote } from "./notes.js";
import { NotDone, ParseError } from "./outcomes.js";
import { EXPORT, IDENTITY, UUID, opened } from "./shapes.js";
import { INT, LIST, members } from "./strict_json.js";

const CUSTODY = { v: 1, left_out: LIST, entries: LIST };
const RECEIPT = {
  v: 1, kind: /^(evidence|submission|transfer)-receipt$/,
  submission: new RegExp(`^(SUB|TRF)-${UUID}$`), witnessed_by: LIST,
};
const TYPES = new Set(`collection submission receipt quarantine virus_check message_digest_calculation
format_identification metadata_extraction signature_validation registration fixity_check
replication migration integrity_failure consultation retrieval access_denied working_copy_creation
derivative_creation transfer_released transfer_received transfer_refused sealing unsealing
dissemination disclosure report_generated handling_change access_grant access_revocation
consent_recorded consent_withdrawn identity_revealed approval_requested approval_given
approval_refused association annotation correction hold_placed hold_released retention_change
deletion_requested deletion_approved erasure checkpoint_anchored key_rotation case_opened
person_registered sign_in service_started store_check repair match_query match_notice
receipt_acknowledged configuration_change upload_abandoned restored`.split(/\s+/));
const keyOf = (identity) => JSON.stringify(identity);

export async function canonicalClaim(exam, read) {
  if (exam.bundle) {
    const found = await read;
    exam.document = found.document;
    members(exam.document, CUSTODY);
    exam.entries = found.entries;
  } else {
    const { document, begun } = await readReceipt(exam.receipt);
    Object.assign(exam, { document, begun });
    members(document, RECEIPT);
    exam.entries = [new Entry(document, exam.notes)];
  }
  for (const entry of exam.entries) if (entry.problem ?? entry.bodyProblem) entry.fields();
  if (!exam.entries.length) throw new NotDone("there are no entries");
  const strange = [...new Set(exam.entries.map((entry) => entry.type))].filter((type) => !TYPES.has(type)).sort();
  const more = strange.length ? `; of types unknown to this reader: ${strange.join(", ")}` : "";
  return `${exam.entries.length} entries of version 1${more}`;
}

export async function inclusionClaim(exam) {
  const { note } = exam;
  if (!note || !exam.entries.length) throw new NotDone("there are no entries to look for");
  if (exam.bundle) {
    const [size] = members(exam.document, { tree_size: INT });
    if (BigInt(size) !== note.size) throw new ParseError("the checkpoint is not of the tree size in custody.json");
  }
  const seen = new Map();
  let last = -1;
  for (const entry of exam.entries) {
    const { index, hashes, note: text } = entry.proved();
    if (!seen.has(text)) seen.set(text, await openNote(text, exam.keys));
    const theirs = seen.get(text);
    if (theirs.body !== note.body || theirs.verdicts.get(exam.signers[0]) !== true) {
      throw new ParseError(`entry ${entry.index}: its proof carries another checkpoint`);
    }
    if ([...theirs.verdicts.values()].includes(false)) {
      throw new ParseError(`entry ${entry.index}: its checkpoint has a line that does not verify`);
    }
    if (index !== BigInt(entry.index) || !included(index, note.size, leafOf(entry.body), hashes, note.root)) {
      throw new ParseError(`entry ${entry.index} is not in the tree at its index`);
    }
    if (entry.index <= last) throw new ParseError(`entry ${entry.index} is not in the order of the indexes`);
    last = entry.index;
  }
  return `${exam.entries.length} entries, the last at index ${last}`;
}

export function sequenceClaim(exam) {
  const [size, request, exhibits] = members(exam.document, EXPORT);
  const listed = exhibits.map((item) => members(item, IDENTITY));
  const histories = new Map(listed.map((identity) => [keyOf(identity), []]));
  if (!listed.length) throw new NotDone("there are no exhibits");
  for (const column of [0, 1]) {
    const values = new Set(listed.map((identity) => identity[column]));
    if (values.size < listed.length) throw new ParseError("an exhibit is listed twice");
  }
  const house = exam.entries.at(-1);
  for (const entry of exam.entries.slice(0, -1)) {
    const fields = entry.fields();
    const history = histories.get(keyOf(members(fields.get("exhibit"), IDENTITY, "an entry: ")));
    if (!history) throw new ParseError(`entry ${entry.index} is of no exhibit as listed`);
    history.push({ entry, seq: fields.get("exhibit").get("seq") });
  }
  const own = { outcome: "started", request_id: request };
  for (const item of exhibits) {
    const [end] = members(item, { last_seq: INT });
    const history = histories.get(keyOf(members(item, IDENTITY)));
    const number = item.get("number");
    if (!history.every(({ seq }) => typeof seq === "number")) throw new ParseError("seq is missing, or not as it must be");
    const gap = history.findIndex(({ seq }, place) => seq !== place + 1);
    if (history.length !== end || gap >= 0 || !history.length) {
      const missing = gap >= 0 ? gap + 1 : history.length + 1;
      throw new ParseError(`${number}: entry ${missing} of ${end} is missing, or out of place`);
    }
    const export_ = { type: /^(dissemination|disclosure)$/, ...own };
    members(history.at(-1).entry.fields(), export_, `${number}, this export's own entry: `);
  }
  const wanted = { type: "report_generated", ...own, count: listed.length };
  const fields = house.fields();
  members(fields, wanted, "the last entry, which is the house's: ");
  if (fields.has("exhibit") || house.index !== size - 1) {
    throw new ParseError("the last entry is not the house's, or not the last of the tree");
  }
  const told = exhibits.map((item) => `${item.get("number")} 1-${item.get("last_seq")}`).join(", ");
  return `${listed.length} exhibits, each history without a gap: ${told}`;
}

export function openingsClaim(exam) {
  const count = exam.entries.reduce((sum, entry) => sum + opened(entry, entry.fields()), 0);
  if (!count) throw new NotDone("no openings were given");
  const fields = exam.entries.reduce((sum, entry) => sum + (entry.fields().get("_sd")?.size ?? 0), 0);
  return `${count} openings are what was committed to; ${fields - count} fields stay withheld`;
}
