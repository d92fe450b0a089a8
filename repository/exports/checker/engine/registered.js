// The claims `complete` and `registration`: every exhibit is here, and is what the ledger registered.

import { hex, sha256, utf8 } from "./bytes.js";
import { lines } from "./entries.js";
import { NotDone, ParseError } from "./outcomes.js";
import { DIGEST, IDENTITY, REGISTRATION, UUID, same } from "./shapes.js";
import { DICT, INT, LIST, TEXT, canonical, members, parseJson } from "./strict_json.js";

const ANSWERS = { type: /^(transfer_(received|refused)|receipt_acknowledged)$/, outcome: /^done$/ };
const SUBMISSION = {
  stage: /^(announced|complete)$/, submission: new RegExp(`^SUB-${UUID}$`), sha256: DIGEST, count: INT,
};
const STATUS = /^(registered|quarantined|incomplete|not-arrived)$/;

/** Every exhibit is here, or elsewhere by plan: of several volumes, this page takes one. */
export function completeClaim(exam) {
  const exhibits = exam.document.get("exhibits");
  const volumes = exam.document.get("volumes") ?? null;
  const held = new Set();
  for (const item of exhibits) {
    const [files] = members(item, { files: LIST });
    if (files.some((name) => exam.measured.has(name))) held.add(volumes ? item.get("volume") : 0);
  }
  if (volumes !== null) {
    members(exam.document, { volumes: INT });
    const [here = 0] = held;
    exam.volume = here;
    const one = volumes === 0 || (typeof here === "number" && here >= 1 && here <= volumes && volumes > 1);
    if (held.size !== (volumes ? 1 : 0) || !one) throw new ParseError("not the exhibits of one volume");
  }
  for (const item of exhibits) {
    if (volumes > 0) members(item, { volume: INT });
    const own = volumes === null || (volumes > 0 && item.get("volume") === exam.volume);
    for (const name of item.get("files")) {
      if (own !== exam.measured.has(name)) throw new ParseError(`${name} is missing, or belongs to another volume`);
      if (!own) exam.absent.set(registeredAs(exam, item), item.has("volume") ? item.get("volume") : 0);
    }
  }
  const here = volumes ? `volume ${exam.volume} of ${volumes}; ` : "";
  if (!exam.absent.size) return `${here}${exhibits.length} exhibits are here`;
  const told = [...exam.absent].map(([number, volume]) => (volume ? `${number} (volume ${volume})` : number)).join(", ");
  throw new NotDone(`${here}${exam.absent.size} exhibits are not here (verify.py --payload takes them): ${told}`);
}

/** The number of an exhibit, whose registration must be among the entries and name digests. */
function registeredAs(exam, item) {
  const entry = exam.entries.find((one) => one.index === item.get("registration"));
  const [, , parts] = members(entry?.fields(), REGISTRATION);
  for (const part of parts) {
    const [digests] = members(part, { digests: DICT });
    if (!digests.has("sha256")) throw new ParseError("missing: sha256");
  }
  return item.get("number");
}

export function payloadClaim(exam) {
  const owned = new Set();
  const unable = new Set();
  const bodies = new Map(exam.entries.map((entry) => [entry.index, entry]));
  const at = (place) => bodies.get(place)?.fields();
  if (!exam.measured.size) throw new NotDone("the files could not be read");
  for (const item of members(exam.document, { exhibits: LIST })[0]) {
    let [place, files] = members(item, { registration: INT, files: LIST });
    const identity = members(item, IDENTITY);
    const number = identity[1];
    if (exam.absent.has(number)) continue; // `complete` says so
    const first = at(place);
    let [, about, parts] = members(first, REGISTRATION, `${number}, registration: `);
    const count = first.has("count") ? first.get("count") : 0;
    if (typeof count !== "number") throw new ParseError(`${number}: count is no number`);
    parts = [...parts];
    while (parts.length < count) { // too many for one entry: it goes on
      place += 1;
      const [, again, more] = members(at(place), REGISTRATION, `${number}, registration: `);
      if (!same(members(again, IDENTITY), identity) || !more.length) {
        throw new ParseError(`${number}: entry ${place} does not go on with its parts`);
      }
      parts.push(...more);
    }
    const names = parts.length === 1 ? [`data/${number}.bin`] : parts.map((_, n) => `data/${number}.${n + 1}.bin`);
    if (!same(members(about, IDENTITY), identity) || !same(files, names) || !names.length) {
      throw new ParseError(`${number}: exhibit or files are not those of its registration`);
    }
    names.forEach((name, n) => {
      owned.add(name);
      partHolds(exam, name, parts[n], n + 1, unable);
    });
    let digest = names.map((name) => exam.measured.get(name).digests.get("sha256"));
    digest = names.length > 1 ? `sha256:${hex(sha256(utf8(canonical(digest))))}` : digest[0];
    const size = names.reduce((sum, name) => sum + exam.measured.get(name).size, 0);
    if (identity[2] !== digest || identity[3] !== size) {
      throw new ParseError(`the files of ${number} have not its digest and size`);
    }
  }
  for (const name of exam.files.keys()) {
    if (name.startsWith("data/") && !owned.has(name)) throw new ParseError(`${name} belongs to no exhibit`);
  }
  if (unable.size) throw new NotDone(`digests this reader cannot make: ${[...unable].sort().join(", ")}`);
  return `${owned.size} files are the bytes registered`;
}

function partHolds(exam, name, part, n, unable) {
  const [digests, chunks] = members(part, { digests: DICT, chunks: DICT, part: n }, `${name}: `);
  const found = exam.measured.get(name);
  if (!found) throw new ParseError(`missing: ${name}`);
  let equal = digests.has("sha256");
  for (const [kind, told] of digests) {
    const made = found.digests.get(kind);
    if (made === undefined) unable.add(kind);
    else if (made !== told) equal = false;
  }
  for (const field of ["size", "count", "root"]) {
    if (chunks.get(field) !== found.chunks[field]) equal = false;
  }
  if (!equal) throw new ParseError(`${name} is not what was registered`);
}

export async function receiptClaim(exam) {
  const fields = exam.entries[0].fields();
  const kind = exam.document.get("kind");
  if (kind === "submission-receipt") return listHolds(exam, fields);
  if (kind === "transfer-receipt") {
    const [answers, told] = members(exam.document, { answers: DIGEST, sha256: DIGEST });
    const about = { inputs: [answers], request_id: exam.document.get("submission").slice(4) };
    members(fields, { ...ANSWERS, ...about });
    members(fields.get("verification"), { observed: [told] });
    return `${fields.get("type")} of ${told}, in answer to the entry ${answers}`;
  }
  const [, exhibit] = members(fields, { type: /^registration$/, exhibit: DICT });
  const told = members(exam.document, { exhibit: TEXT, sha256: TEXT, size: INT });
  if (!same(members(exhibit, IDENTITY).slice(1), told)) {
    throw new ParseError("number, digest or size are not those of the entry");
  }
  return `${told[0]}, ${told[2]} bytes, ${told[1]}; the entry does not hold the submission`;
}

/** The list of a submission, line by line: it may be of a million files. */
async function listHolds(exam, fields) {
  const [stage, submission, told, count] = members(exam.document, SUBMISSION);
  const began = stage === "announced";
  const holder = began ? "inputs" : "outputs";
  members(fields, { type: "submission", outcome: began ? "started" : "done", count, [holder]: [told] });
  const end = `],${canonical(new Map([["stage", stage], ["submission", submission], ["v", 1]])).slice(1)}`;
  const digest = (await hashwasm.createSHA256()).init().update('{"files":[');
  const states = new Map();
  let [first, last, n, rest] = [true, false, 0, ""];
  for await (const line of lines(exam.receipt)) {
    if (first) {
      first = false;
    } else if (last) {
      rest += line;
      if (rest.length > 4096) break;
    } else {
      n += 1;
      const text = line.replace(/[,\n]+$/, "");
      const file = parseJson(text);
      members(file, began ? { n, size: INT } : { n, status: STATUS });
      if (canonical(file) !== text || (line !== `${text}\n` && line !== `${text},\n`)) {
        throw new ParseError(`file ${n} of the list is not canonical, or not on its line`);
      }
      digest.update((n > 1 ? "," : "") + text);
      const state = file.get("status") ?? stage;
      states.set(state, (states.get(state) ?? 0) + 1);
      last = line === `${text}\n`;
    }
  }
  digest.update(end);
  const equal = `sha256:${digest.digest("hex")}` === told;
  if (rest !== `${end}}\n` || n !== count || !equal || !exam.begun) {
    throw new ParseError(`the list is not the one of ${count} files that was signed`);
  }
  return `${submission}: ${[...states].map(([state, many]) => `${many} ${state}`).join(", ")}`;
}
