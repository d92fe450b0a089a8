// The claims `bag` and `digests`: every file is listed, and is the one that was listed.

import { canMake } from "./measure.js";
import { NotDone, ParseError } from "./outcomes.js";
import { CLOSING, TAGS, fileOf, same } from "./shapes.js";
import { textOf } from "./sources.js";

const MANIFESTS = { "manifest-sha256.txt": "sha256", "manifest-sha512.txt": "sha512", [TAGS]: "sha256" };
const DIGITS = { sha256: 64, sha512: 128 };
const BAGIT = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/** Whether a path stands before another, in the order of their code points. */
function before(one, two) {
  const [first, second] = [[...one], [...two]];
  const place = first.findIndex((sign, at) => sign !== second[at]);
  if (place < 0) return first.length < second.length;
  return place < second.length && first[place].codePointAt(0) < second[place].codePointAt(0);
}

/** The digest of each path of a BagIt manifest (RFC 8493 2.1.3), laid out as ours are. */
function parseManifest(text, algorithm) {
  const line = new RegExp(`^([0-9a-f]{${DIGITS[algorithm]}})  ([^ \\t][^]*)$`);
  const found = new Map();
  const all = text.split("\n");
  if (all.pop() !== "") throw new ParseError("a manifest without its last newline");
  for (const one of all) {
    const match = line.exec(one);
    if (match) found.set(match[2], `${algorithm}:${match[1]}`);
  }
  if (found.size !== all.length) {
    throw new ParseError("a manifest with a line that is no digest and path, or a path twice");
  }
  const names = [...found.keys()];
  if (names.some((name, place) => place > 0 && !before(names[place - 1], name))) {
    throw new ParseError("a manifest that is not in the order of its paths");
  }
  return found;
}

export async function bagClaim(exam) {
  const problems = [...exam.problems];
  if ((await textOf(fileOf(exam, "bagit.txt"))) !== BAGIT) {
    problems.push("bagit.txt does not say version 1.0 and UTF-8");
  }
  const listed = new Map();
  for (const [manifest, algorithm] of Object.entries(MANIFESTS)) {
    const told = parseManifest(await textOf(fileOf(exam, manifest)), algorithm);
    for (const [name, digest] of told) {
      if (!listed.has(name)) listed.set(name, new Map());
      listed.get(name).set(manifest, digest);
    }
  }
  for (const name of new Set([...listed.keys(), ...exam.files.keys()].sort())) {
    if (name === TAGS || name === CLOSING) continue;
    const wanted = Object.keys(MANIFESTS).filter((one) => (one === TAGS) !== name.startsWith("data/"));
    const told = [...(listed.get(name)?.keys() ?? [])];
    if (!exam.files.has(name) || !same(told, wanted)) {
      problems.push(`${name} is missing, or not in exactly its manifests`);
    } else if (/^(fetch.txt|(tag)?manifest-[^/]*)\n?$/.test(name) && !Object.hasOwn(MANIFESTS, name)) {
      problems.push(`${name} has no place in a bundle`);
    }
  }
  exam.listed = listed;
  if (problems.length) throw new ParseError(`${problems[0]}; problems in all: ${problems.length}`);
  return `${listed.size} files, each listed where it belongs`;
}

export async function digestsClaim(exam) {
  if (!exam.listed.size) throw new NotDone("the manifests could not be read");
  const asked = [...exam.files].map(([name, source]) => {
    const kinds = new Set([...(exam.listed.get(name)?.values() ?? [])].map((digest) => digest.split(":")[0]));
    const payload = name.startsWith("data/");
    kinds.add("sha256");
    for (const kind of payload ? registeredKinds(exam) : []) kinds.add(kind);
    return { name, source, kinds: [...kinds], chunked: payload };
  });
  exam.measured = await exam.measureAll(asked);
  for (const name of [...exam.listed.keys()].sort()) {
    const found = exam.measured.get(name);
    if (!found) throw new ParseError(`missing: ${name}`);
    const digests = new Set(found.digests.values());
    if (![...exam.listed.get(name).values()].every((digest) => digests.has(digest))) {
      throw new ParseError(`${name} is not the file that was listed`);
    }
  }
  return `${exam.listed.size} files have the digests listed`;
}

/** The digests that any registration names, of those that can be made here. */
function registeredKinds(exam) {
  if (exam.kinds) return exam.kinds;
  exam.kinds = new Set();
  for (const entry of exam.registrations) {
    const parts = entry.fields().get("parts");
    for (const part of Array.isArray(parts) ? parts : []) {
      const digests = part instanceof Map ? part.get("digests") : null;
      for (const kind of digests instanceof Map ? digests.keys() : []) {
        if (canMake(kind)) exam.kinds.add(kind);
      }
    }
  }
  return exam.kinds;
}
