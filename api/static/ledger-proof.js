// Checks here, in the browser, that an entry is in the ledger's signed tree: by the modules of check.html.
// A claim that could not be made is "not checked", never green.
import "/static/checker/vendor/sha256.umd.min.js";
import { hex, prepareDigests, utf8 } from "/static/checker/engine/bytes.js";
import { hasNative } from "/static/checker/engine/ed25519.js";
import { fingerprint, openNote, parseProof, parseVkey } from "/static/checker/engine/notes.js";
import { shown } from "/static/checker/engine/outcomes.js";
import { included, leafOf } from "/static/checker/engine/tree.js";

const $ = (id) => document.getElementById(id);
const told = $("proof").dataset;
const CLAIMS = ["inclusion", "signature", "key", "witnesses"];
const NEEDED = ["inclusion", "signature"];
const LOOKS = { pass: "good", fail: "bad", notDone: "warn" };

function show(claims) {
  for (const name of CLAIMS) {
    const [verdict, detail] = claims[name];
    const row = $(`claim-${name}`);
    const badge = row.querySelector(".badge");
    badge.className = `badge ${LOOKS[verdict]}`;
    badge.textContent = told[verdict];
    row.dataset.verdict = verdict;
    row.querySelector(".detail").textContent = detail;
  }
  const verdicts = CLAIMS.map((name) => claims[name][0]);
  const whole = NEEDED.every((name) => claims[name][0] === "pass");
  const broken = verdicts.includes("fail");
  $("verdict").className = broken ? "notice bad" : whole ? "said" : "notice";
  $("verdict").textContent = broken ? told.broken : whole ? told.whole : told.open;
  $("verdict").dataset.verdict = broken ? "fail" : whole ? "pass" : "notDone";
  $("verdict").hidden = false;
}

const failed = (error) => ["fail", shown(error.message)];

/** What people typed of a fingerprint, as it is compared. */
const typed = () => $("compared").value.toLowerCase().replace(/^sha256:/, "").replace(/[^0-9a-f]/g, "");

async function signatures(note, keys, witnesses) {
  const native = await hasNative();
  if (!native) return { signature: ["notDone", told.noNative], key: ["notDone", told.noNative], witnesses: ["notDone", told.noNative] };
  const opened = await openNote(note, [...keys, ...witnesses]);
  const signers = keys.filter((key) => opened.verdicts.get(key) === true);
  const wrong = [...opened.verdicts.values()].includes(false);
  const cosigned = witnesses.filter((key) => opened.verdicts.get(key) === true);
  const prints = signers.map(fingerprint);
  const compared = typed();
  return {
    signature: signers.length && !wrong ? ["pass", prints.join(", ")] : ["fail", opened.origin],
    key: !compared || !signers.length ? ["notDone", told.notTyped] : prints.includes(compared) ? ["pass", compared] : ["fail", prints.join(", ")],
    witnesses: cosigned.length ? ["pass", cosigned.map((key) => shown(key.name)).join(", ")] : ["notDone", told.noLine],
  };
}

async function check() {
  const claims = Object.fromEntries(CLAIMS.map((name) => [name, ["notDone", ""]]));
  let text;
  try {
    const answer = await fetch(`/api/v1/ledger/proof/${told.index}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    text = await answer.text();
    await prepareDigests();
  } catch (error) {
    for (const name of CLAIMS) claims[name] = ["notDone", `${told.noAnswer} ${shown(error.message)}`];
    return show(claims);
  }
  try {
    const proof = parseProof(text);
    const head = await openNote(proof.note, []);
    const leaf = leafOf(utf8($("body").textContent));
    const here = proof.index === BigInt(told.index) && included(proof.index, head.size, leaf, proof.hashes, head.root);
    claims.inclusion = [here ? "pass" : "fail", `${proof.index} / ${head.size}, ${hex(head.root)}`];
    const [keys, witnesses] = [[told.keys, 1], [told.witnesses, 4]].map(([list, kind]) => JSON.parse(list).map((key) => parseVkey(key, kind)));
    Object.assign(claims, await signatures(proof.note, keys, witnesses));
  } catch (error) {
    claims.inclusion = claims.inclusion[0] === "notDone" ? failed(error) : claims.inclusion;
    claims.signature = failed(error);
  }
  show(claims);
}

$("check").addEventListener("click", check);
$("compared").addEventListener("change", check);
check();
