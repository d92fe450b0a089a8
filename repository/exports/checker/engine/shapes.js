// What several claims demand of objects of a bundle.

import { hex, sha256, unhex, utf8 } from "./bytes.js";
import { ParseError } from "./outcomes.js";
import { DICT, INT, LIST, canonical, members } from "./strict_json.js";

export const UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";
export const DIGEST = /^sha256:[0-9a-f]{64}$/;
export const IDENTITY = { id: new RegExp(`^${UUID}$`), number: /^[A-Z0-9]{2,12}-[0-9]{6,15}$/, sha256: DIGEST, size: INT };

export const TAGS = "tagmanifest-sha256.txt";
export const SUCCESSIONS = "ledger/successions.json"; // only where a ledger before lost entries
export const CLOSING = "ledger/closing.json"; // written last, of the tag manifest: listed in none
export const EXPORT = { tree_size: INT, request_id: IDENTITY.id, exhibits: LIST };
export const REGISTRATION = { type: /^registration$/, exhibit: DICT, parts: LIST };

/** Whether two lists hold the same. */
export const same = (one, two) => one.length === two.length && one.every((value, place) => value === two[place]);

/** Count openings, each of which must open a commitment of its entry. */
export function opened(entry, fields, openings = entry.opened()) {
  for (const [name, opening] of openings) {
    const [salt] = members(opening, { salt: /^[0-9a-f]{32}$/ });
    if (!opening.has("value")) throw new ParseError("missing: value");
    const made = `sha256:${hex(sha256(unhex(salt), utf8(canonical(opening.get("value")))))}`;
    const told = fields.get("_sd");
    if (opening.size !== 2 || !(told instanceof Map) || told.get(name) !== made) {
      throw new ParseError(`entry ${entry.index}: ${name} is not what was committed to`);
    }
  }
  return openings.size;
}

/** A file of the bundle, which must be there. */
export function fileOf(exam, name) {
  const found = exam.files.get(name);
  if (!found) throw new ParseError(`missing: ${name}`);
  return found;
}
