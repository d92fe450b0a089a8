// The claims `log-signature`, `key-trusted`, `witnesses` and `time-stamps`: who signed, and who says so.

import { unbase64 } from "./bytes.js";
import { fingerprint, openNote, parsePolicy, parseProof, parseTrust, parseVkey, satisfied } from "./notes.js";
import { NotDone, ParseError } from "./outcomes.js";
import { fileOf } from "./shapes.js";
import { textOf } from "./sources.js";
import { LIST, TEXT, members } from "./strict_json.js";

const CHECKABLE = { key: TEXT, proof: TEXT, witnessed_by: LIST };

export async function signatureClaim(exam) {
  if (exam.trustFile) {
    try {
      exam.trust = parseTrust(await textOf(exam.trustFile));
    } catch (error) {
      exam.trustProblem = error; // key-trusted says what is wrong with it
    }
  }
  const logs = exam.trust.keys.map(({ key }) => key);
  let text;
  if (exam.bundle) {
    text = await textOf(fileOf(exam, "ledger/checkpoint"));
    exam.policy = parsePolicy(await textOf(fileOf(exam, "ledger/policy")));
    logs.push(...exam.policy.logs);
  } else {
    const [vkey, proof, named] = members(exam.document, CHECKABLE);
    text = parseProof(proof).note;
    logs.push(parseVkey(vkey, 1));
    exam.named = named.map((one) => parseVkey(members(new Map([["name", one]]), { name: TEXT })[0], 4, 6));
    if (exam.document.has("policy")) {
      exam.policy = parsePolicy(...members(exam.document, { policy: TEXT }));
    }
  }
  exam.policy = exam.trust.policy ?? exam.policy;
  if (!logs.length) throw new NotDone("neither the policy nor a trust file names a key of the log");
  exam.keys = [...new Set([...logs, ...exam.named, ...(exam.policy?.witnesses ?? [])])];
  exam.note = await openNote(text, exam.keys);
  const unable = [];
  for (const [key, verdict] of exam.note.verdicts) {
    if (verdict === false) throw new ParseError(`the line of ${key.name} on the checkpoint does not verify`);
    if (verdict && logs.includes(key) && key.kind === 1 && key.name === exam.note.origin) exam.signers.push(key);
    if (verdict === null) unable.push(key.name);
  }
  if (!exam.signers.length) throw new ParseError(`no signature of a known key of ${exam.note.origin}`);
  const more = unable.length ? `; not checked here: the ML-DSA line of ${unable.join(", ")}` : "";
  return `${exam.note.origin}, tree size ${exam.note.size}${more}`;
}

export function keyClaim(exam) {
  const prints = exam.signers.map(fingerprint).join(", ");
  if (!exam.trustFile || !exam.note) {
    throw new NotDone(`no trust file; compare the fingerprint with one got another way: ${prints}`);
  }
  if (exam.trustProblem) throw exam.trustProblem;
  for (const { key, first, end } of exam.trust.keys) {
    if (exam.signers.includes(key) && first <= exam.note.size && exam.note.size < end) {
      return `${key.name}, fingerprint ${prints}`;
    }
  }
  throw new ParseError(`no key of the trust file for this tree size signed; signed by ${prints}`);
}

export function witnessesClaim(exam) {
  const verdicts = exam.note?.verdicts ?? new Map();
  const { policy } = exam;
  for (const [key, verdict] of verdicts) {
    if (verdict === false && (exam.named.includes(key) || policy?.witnesses.includes(key))) {
      throw new ParseError(`the line of ${key.name} does not verify`);
    }
  }
  if (!exam.signers.length) throw new NotDone("log-signature did not pass");
  if (!exam.named.every((key) => verdicts.has(key))) {
    throw new ParseError("witnessed_by names a key whose line is not there");
  }
  if (!policy || policy.quorum === "none") {
    throw new NotDone(policy ? "the policy asks for none" : "there is no policy");
  }
  const quorum = `${policy.quorum}, policy ${exam.trust.policy ? "of the trust file" : "given along"}`;
  const signed = [...verdicts].filter(([, verdict]) => verdict).map(([key]) => key);
  if (satisfied(policy, signed)) return `cosigned by the quorum (${quorum})`;
  if (satisfied(policy, [...verdicts.keys()])) {
    throw new NotDone(`the quorum hangs on ML-DSA, which no browser can check (${quorum})`);
  }
  throw new ParseError(`the quorum did not cosign (${quorum})`);
}

export async function stampsClaim(exam) {
  let tokens;
  if (exam.bundle) {
    const names = [...exam.files.keys()].filter((name) => name.startsWith("ledger/tokens/"));
    tokens = names;
  } else {
    const listed = exam.document.has("tokens") ? exam.document.get("tokens") : [];
    if (!Array.isArray(listed)) throw new ParseError("tokens is no list");
    tokens = listed.map((item) => unbase64(members(item, { tsa: TEXT, response: TEXT })[1]));
  }
  let { roots } = exam.trust;
  if (exam.bundle && tokens.length && !roots.length) {
    ({ roots } = parseTrust(await textOf(fileOf(exam, "ledger/trust"))));
  }
  if (!tokens.length) throw new NotDone("there are no tokens");
  if (!roots.some((root) => root !== "") || !exam.note) throw new NotDone("there are no roots to judge by");
  if (tokens.length > 100) throw new ParseError("more than 100 tokens");
  throw new NotDone(`${tokens.length} tokens, which no browser can check; verify.py and openssl can`);
}
