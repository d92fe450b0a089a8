// One bundle or receipt: each claim of docs/format.md 7.1 is made as verify.py makes it, and what one
// finds is kept for later ones.

import { bagClaim, digestsClaim } from "./bag.js";
import { closingClaim, gapClaim } from "./closing.js";
import { readCustody } from "./entries.js";
import { canonicalClaim, inclusionClaim, openingsClaim, sequenceClaim } from "./histories.js";
import { NotDone, ParseError, shown } from "./outcomes.js";
import { quotedClaim } from "./quoted.js";
import { completeClaim, payloadClaim, receiptClaim } from "./registered.js";
import { keyClaim, signatureClaim, stampsClaim, witnessesClaim } from "./seals.js";
import { SUCCESSIONS, fileOf } from "./shapes.js";

const REQUIRED = ["bag", "digests", "log-signature", "inclusion", "exhibit.seq", "complete", "closing"];

/** The exit code that verify.py ends with: 0, 1 a claim failed, 3 a required one was not made. */
export function exitCode(findings) {
  if (findings.some((found) => found.outcome === "fail")) return 1;
  return findings.some((found) => found.outcome !== "pass" && REQUIRED.includes(found.claim)) ? 3 : 0;
}

export class Examination {
  /** `files`: name to source; `problems`: what is wrong with them as a bag; `trust`: a source or null. */
  constructor({ files, problems = [], receipt = null, trust = null, measureAll, told = () => {} }) {
    Object.assign(this, { files, problems, receipt, trustFile: trust, measureAll, told });
    this.bundle = receipt === null;
    this.findings = [];
    this.listed = new Map(); // path: manifest: digest
    this.measured = new Map();
    this.document = null; // custody.json without its entries, or the receipt
    this.entries = [];
    this.trust = { keys: [], roots: [], policy: null };
    this.policy = null;
    this.named = []; // the witnesses that a receipt names
    this.keys = [];
    this.note = null;
    this.signers = [];
    this.notes = new Map();
    this.volume = 0; // which one, where a bundle is of several
    this.absent = new Map(); // exhibits that are elsewhere by plan: in which volume
  }

  async run() {
    // first, for what is registered says which digests to make; `canonical` says what is wrong with it
    const read = this.bundle ? this.#custody() : null;
    const found = await read?.catch(() => null);
    this.registrations = (found?.entries ?? []).filter((entry) => entry.type === "registration");
    if (this.bundle) {
      await this.#claim("bag", () => bagClaim(this));
      await this.#claim("digests", () => digestsClaim(this));
    }
    await this.#claim("canonical", () => canonicalClaim(this, read));
    await this.#claim("log-signature", () => signatureClaim(this));
    await this.#claim("inclusion", () => inclusionClaim(this), "log-signature");
    if (this.bundle) await this.#claim("exhibit.seq", () => sequenceClaim(this), "canonical");
    if (this.bundle) await this.#claim("complete", () => completeClaim(this), "exhibit.seq");
    const registered = () => (this.bundle ? payloadClaim(this) : receiptClaim(this));
    await this.#claim("registration", registered, "canonical");
    await this.#claim("openings", () => openingsClaim(this), "canonical");
    if ([...this.files.keys()].some((name) => name.startsWith("quoted/"))) {
      await this.#claim("quoted", () => quotedClaim(this), "registration");
    }
    if (this.files.has(SUCCESSIONS)) await this.#claim("gap", () => gapClaim(this), "inclusion");
    if (this.bundle) await this.#claim("closing", () => closingClaim(this), "inclusion");
    await this.#claim("key-trusted", () => keyClaim(this), "log-signature");
    await this.#claim("witnesses", () => witnessesClaim(this));
    await this.#claim("time-stamps", () => stampsClaim(this), "log-signature");
    return this.findings;
  }

  async #custody() {
    return readCustody(fileOf(this, "custody.json"));
  }

  async #claim(claim, check, needs = "") {
    this.told({ claim });
    let [outcome, detail] = ["fail", ""];
    try {
      if (this.findings.some((found) => found.claim === needs && found.outcome !== "pass")) {
        throw new NotDone(`${needs} did not pass`);
      }
      [outcome, detail] = ["pass", await check()];
    } catch (error) {
      const ours = error instanceof NotDone || error instanceof ParseError;
      outcome = error instanceof NotDone ? "not-done" : "fail";
      detail = ours ? error.message : `${error?.name ?? "Error"}: ${error?.message ?? error}`;
    }
    this.findings.push({ claim, outcome, detail: shown(detail) });
  }
}
