// The worker: it is given files, makes the claims, and says how far it is. The same program, started
// again by itself, measures large files beside it.

import { membersOf, rooted } from "./archives.js";
import { prepareDigests } from "./bytes.js";
import { Examination, exitCode } from "./examine.js";
import { measure } from "./measure.js";
import { fingerprint } from "./notes.js";
import { WrongUse } from "./outcomes.js";
import { Packed, Piece, textOf } from "./sources.js";
import { canonical, parseJson } from "./strict_json.js";

const LARGE = 32 * 1_048_576; // from here on a file is measured by helpers
const SMALL = 1_048_576; // a trust file is no longer
const OFTEN = 100; // milliseconds between two words about progress
let examined = null; // the last bundle or receipt, for its history

self.onmessage = async ({ data }) => {
  const { id, kind } = data;
  try {
    await prepareDigests();
    if (kind === "measure") return answer(id, await measured(data));
    if (kind === "history") return answer(id, historyOf(data));
    answer(id, await check(data, (progress) => self.postMessage({ id, progress })));
  } catch (error) {
    self.postMessage({ id, refused: { wrongUse: error instanceof WrongUse, why: `${error?.message ?? error}` } });
  }
};

const answer = (id, result) => self.postMessage({ id, result });

async function measured({ id, blob, size, packed, kinds, chunked }) {
  const source = packed ? new Packed(blob, size) : new Piece(blob);
  let [waiting, last] = [0, 0];
  const found = await measure(source, kinds, chunked, (bytes) => {
    waiting += bytes;
    if (performance.now() - last < OFTEN) return;
    self.postMessage({ id, bytes: waiting });
    [waiting, last] = [0, performance.now()];
  });
  self.postMessage({ id, bytes: waiting });
  return found;
}

/** Make every claim about what was dropped: a bundle's files, its archive, or a receipt. */
async function check({ files, trust }, say) {
  const given = await taken(files);
  if (given.trust) return { trustFile: true };
  examined = new Examination({
    ...given, trust: trust ? new Piece(trust) : null,
    measureAll: (asked) => measureAll(asked, say), told: say,
  });
  const findings = await examined.run();
  return { findings, exit: exitCode(findings), ...summary(examined) };
}

async function taken(files) {
  const named = new Map(files.map(([name, blob]) => [name, new Piece(blob)]));
  const problems = [];
  const bundle = rooted(named, problems);
  if (bundle) return { files: bundle, problems };
  if (files.length !== 1) throw new WrongUse("no bundle: neither bagit.txt nor custody.json is in this folder");
  const [[, blob]] = files;
  const archive = await membersOf(blob);
  if (archive) {
    const found = rooted(archive.files, archive.problems);
    if (!found) throw new WrongUse("there is no bundle in this archive");
    return { files: found, problems: archive.problems };
  }
  const head = new TextDecoder("latin1").decode(await blob.slice(0, 64).arrayBuffer());
  if (!/^[\t-\r\x1c-\x20]*\{/.test(head)) throw new WrongUse("neither a bundle nor a receipt");
  const source = new Piece(blob);
  if (blob.size <= SMALL && (await isTrust(source))) return { trust: true };
  return { files: new Map(), receipt: source };
}

async function isTrust(source) {
  try {
    return parseJson(await textOf(source)).get("kind") === "evidence-trust";
  } catch {
    return false; // what is wrong with it, the claims say
  }
}

/** Measure all files: small ones here, large ones by helpers, each algorithm by its own. */
async function measureAll(asked, say) {
  const found = new Map(asked.map(({ name, source }) => [name, { size: source.size, digests: new Map(), chunks: null }]));
  const jobs = asked.flatMap((one) => split(one));
  const total = jobs.reduce((sum, job) => sum + job.source.size, 0);
  let [done, last] = [0, 0];
  const told = (bytes) => {
    done += bytes;
    if (performance.now() - last < OFTEN && done < total) return;
    last = performance.now();
    say({ done, total });
  };
  const note = ({ name }, { digests, chunks }) => {
    for (const [kind, digest] of digests) found.get(name).digests.set(kind, digest);
    if (chunks) found.get(name).chunks = chunks;
  };
  const large = jobs.filter(({ source }) => source.size >= LARGE);
  const helpers = large.length ? startHelpers(Math.min(large.length, 4, navigator.hardwareConcurrency || 2)) : [];
  try {
    const helping = helpers.map(async (helper) => {
      while (large.length) {
        const job = large.shift();
        note(job, await ask(helper, job, told));
      }
    });
    await Promise.all(helping);
    for (const job of jobs) {
      if (helpers.length && job.source.size >= LARGE) continue;
      note(job, await measure(job.source, job.kinds, job.chunked, told));
    }
  } finally {
    for (const helper of helpers) helper.terminate();
  }
  return found;
}

function split(asked) {
  const { source, kinds } = asked;
  const rest = kinds.filter((kind) => kind !== "sha256");
  if (source.size < LARGE || source instanceof Packed || !rest.length) return [asked];
  return [{ ...asked, kinds: ["sha256"] }, { ...asked, kinds: rest, chunked: false }];
}

function startHelpers(count) {
  try {
    return Array.from({ length: count }, () => new Worker(self.location.href));
  } catch {
    return []; // a browser whose workers may start none: everything is measured here
  }
}

function ask(helper, { source, kinds, chunked }, told) {
  return new Promise((resolve, reject) => {
    helper.onerror = (event) => reject(new Error(event.message || "a worker ended"));
    helper.onmessage = ({ data }) => {
      if (data.bytes !== undefined) told(data.bytes);
      else if (data.refused) reject(new Error(data.refused.why));
      else resolve(data.result);
    };
    const packed = source instanceof Packed;
    helper.postMessage({ id: 0, kind: "measure", blob: source.blob, size: source.size, packed, kinds, chunked });
  });
}

const listOf = (holder, name) => (Array.isArray(holder?.get?.(name)) ? holder.get(name) : []);
const words = (value) => (typeof value === "string" ? value : value === undefined ? "" : canonical(value));

/** What the page shows beside the claims: keys, exhibits, what was left out. All are texts. */
function summary({ document, note, signers, bundle, entries }) {
  const told = document instanceof Map ? document : new Map();
  const exhibits = bundle
    ? listOf(told, "exhibits").map((item) => ({
      number: words(item?.get?.("number")), sha256: words(item?.get?.("sha256")),
      size: words(item?.get?.("size")), entries: words(item?.get?.("last_seq")),
    }))
    : entries.map(() => ({
      number: words(told.get("exhibit") ?? told.get("submission")), sha256: words(told.get("sha256")),
      size: words(told.get("size")), entries: "1",
    }));
  return {
    kind: bundle ? "bundle" : "receipt",
    keys: signers.map((key) => ({ name: key.name, fingerprint: fingerprint(key) })),
    origin: note?.origin ?? "", size: note ? `${note.size}` : "", exhibits,
    leftOut: listOf(told, "left_out").map((item) => ({
      what: words(item?.get?.("what")), why: words(item?.get?.("why")),
    })),
  };
}

/** Some entries of an exhibit, as texts to show; fields that were withheld are named. */
function historyOf({ number, from, count }) {
  const found = [];
  let seen = 0;
  for (const entry of examined?.entries ?? []) {
    if (entry.problem || entry.bodyProblem) continue;
    const fields = entry.fields();
    const theirs = fields.get("exhibit")?.get?.("number");
    if (examined.bundle && theirs !== number) continue;
    seen += 1;
    if (seen > from && found.length < count) found.push(rowOf(entry, fields));
  }
  return { rows: found, total: seen };
}

function rowOf(entry, fields) {
  const opened = entry.opened();
  const withheld = fields.get("_sd") instanceof Map ? [...fields.get("_sd").keys()] : [];
  const valueOf = (opening) => (opening instanceof Map ? words(opening.get("value")) : "");
  const actor = fields.get("actor") instanceof Map ? fields.get("actor") : new Map();
  return {
    index: entry.index,
    seq: words(fields.get("exhibit")?.get?.("seq")),
    ...Object.fromEntries(["type", "outcome", "reason", "at", "attempted"].map((name) => [name, words(fields.get(name))])),
    actor: words(actor.get("id")), role: words(actor.get("role")),
    handling: words(fields.get("handling")),
    opened: [...opened].map(([name, opening]) => [name, valueOf(opening)]),
    withheld: withheld.filter((name) => !opened.has(name)),
  };
}
