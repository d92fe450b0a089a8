// The page on which evidence is handed in: choosing, saying, sending, comparing, receipts.
import { $, ask, element, sentence, signInWithPasskey } from "./sign-in.js";
import { chosen, dropped } from "./upload-files.js";
import { Problem, SMALL, call, deliver, gate, newHasher, persist, rest, tryNow } from "./upload-send.js";

const LANES = 3; // files sent at a time;
const SMALL_LANES = 6; // of small ones as many as a browser has lines to a host: each costs two short requests
const MOST_ROWS = 500; // files shown; a submission's own page lists all
const page = $("upload");
const words = JSON.parse(page.dataset.words);
const code = page.dataset.case;

let picked = []; // jobs: { file, path, size, submission, n, upload, begun, sent, … }
let pending = []; // what the repository still waits for from this person
let going = false;

// Texts; what is filled in is isolated, whatever direction it has.
const say = (name, values = {}) => words[name].replace(/\{(\w+)\}/g, (_, key) => `\u2068${values[key]}\u2069`);

const listed = new Intl.ListFormat(document.documentElement.lang);

const SIGN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029]/u;
const hex = (c) => "U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");

// A name from elsewhere: signs that would be obeyed are named, a very long one is cut in its middle.
function named(text) {
  const letters = [...text];
  const cut = letters.length > 240 ? [...letters.slice(0, 180), " … ", ...letters.slice(-40)] : letters;
  const made = element("bdi");
  for (const c of cut) {
    if (SIGN.test(c) && c !== "\u200c" && c !== "\u200d") made.append(element("span", hex(c), "sign"));
    else made.append(c);
  }
  made.normalize();
  return made;
}

function amount(bytes) {
  let size = bytes, at = 0;
  for (; size >= 1024 && at < 4; at += 1) size /= 1024;
  return `${at ? size.toFixed(1) : size} ${["B", "KiB", "MiB", "GiB", "TiB"][at]}`;
}

function clock(seconds) {
  const s = Math.max(0, Math.ceil(seconds)), two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function fail(error) {
  $("problem").textContent = error instanceof Problem && !error.message ? say("line") : sentence(error);
  $("problem").hidden = false;
  $("problem").focus();
}

// --- what is chosen

const key = (path, size) => `${size} ${path}`;
const last = (path) => path.slice(path.lastIndexOf("/") + 1);
const textOf = (path) => (typeof path === "string" ? path : "");

async function everything(path) {
  const found = [];
  for (let cursor = null; ;) {
    const some = await call(path + (cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""));
    found.push(...some.items);
    cursor = some.next;
    if (!cursor) return found;
  }
}

const waitedFor = () => everything(`/uploads?case=${encodeURIComponent(code)}&limit=500`);

async function pick(found) {
  $("problem").hidden = true;
  try {
    pending = await persist(waitedFor, waits); // an ended session keeps what was typed below
  } catch (error) {
    return fail(error);
  }
  const known = new Set(picked.map((job) => `${key(job.path, job.size)} ${job.file.lastModified}`));
  for (const job of found) {
    const same = `${key(job.path, job.size)} ${job.file.lastModified}`;
    if (!known.has(same)) picked.push(job);
    known.add(same);
  }
  match();
  showPicked();
}

// Of two files with one name and size, which began: cameras and imagers make many of those.
function isOf(one, job) {
  const told = /(?:^|,)modified ([^,]+)/.exec(one.metadata || "");
  return !told || atob(told[1]) === String(job.file.lastModified);
}

// What was announced before goes on there: by path, else by a name that only one has.
function match() {
  const taken = new Set();
  for (const job of picked) job.going = undefined;
  for (const wanted of [(path) => path, last]) {
    const by = Map.groupBy(pending, (one) => key(wanted(textOf(one.path)), one.size));
    for (const job of picked) {
      const [one, ...others] = (by.get(key(wanted(job.path), job.size)) || []).filter((p) => !taken.has(p) && isOf(p, job));
      if (job.going || !one || (wanted === last && others.length)) continue;
      taken.add(one);
      job.going = one;
    }
  }
}

function showPicked() {
  const fresh = picked.filter((job) => !job.going);
  const size = picked.reduce((sum, job) => sum + job.size, 0);
  const again = picked.length - fresh.length;
  $("picked").textContent = !picked.length ? "" : say("picked", { count: picked.length, size: amount(size) })
    + (again ? " " + say("goes_on", { count: again }) : "");
  $("picked-files").replaceChildren(...picked.slice(0, 50).map((job) => {
    const row = element("li");
    row.append(named(job.path), " ", element("span", amount(job.size), "soft"));
    if (job.going) row.append(" ", element("span", say("from", { size: amount(job.going.offset) }), "badge warn"));
    return row;
  }));
  if (picked.length > 50) $("picked-files").append(element("li", say("further", { count: picked.length - 50 }), "soft"));
  $("clear").hidden = !picked.length;
  $("begin").disabled = !picked.length;
  $("said").hidden = Boolean(picked.length) && !fresh.length;
}

// --- what is said of it

const form = $("said");
const stated = (input) => input.value.trim();
const families = () => [...form.querySelectorAll(".family")];
const inputs = (field) => [...field.querySelectorAll("input")];

function showSaid() {
  for (const one of families()) one.hidden = one.dataset.family !== $("family").value;
  const asked = [...form.querySelectorAll("input, #zone")].filter((one) => !one.closest("[hidden]"));
  const missing = asked.filter((one) => !stated(one) && (one.id !== "zone" || stated($("collected_at"))));
  const labels = missing.map((one) => one.labels[0].textContent);
  $("missing").textContent = labels.length ? say("missing", { labels: listed.format(labels) }) : say("all_stated");
}

function declared() {
  const found = { family: $("family").value };
  for (const name of ["collected_by", "place", "authority", "conditions"]) {
    if (stated($(name))) found[name] = stated($(name));
  }
  if (stated($("collected_at"))) found.collected_at = stated($("collected_at")) + $("zone").value;
  const field = families().find((one) => one.dataset.family === found.family);
  for (const one of inputs(field).filter(stated)) {
    const text = one.dataset.called ? `${one.dataset.called}: ${stated(one)}` : stated(one);
    found[one.dataset.claim] = found[one.dataset.claim] ? `${found[one.dataset.claim]}; ${text}` : text;
  }
  return found;
}

// --- sending

async function begin() {
  $("problem").hidden = true;
  $("begin").disabled = true;
  $("going").hidden = false;
  try {
    await announce(picked.filter((job) => !job.going));
  } catch (error) {
    $("begin").disabled = false;
    $("going").hidden = true;
    return fail(error);
  }
  for (const job of picked.filter((one) => one.going)) resume(job, job.going);
  going = true;
  for (const id of ["choose", "said", "begin", "open"]) if ($(id)) $(id).hidden = true;
  for (const job of picked.slice(0, MOST_ROWS)) rowOf(job);
  const timer = setInterval(measure, 500);
  const elsewhere = [];
  const queue = [...picked];
  const lanes = queue.every((job) => job.size <= SMALL) ? SMALL_LANES : LANES;
  await Promise.all(Array.from({ length: Math.min(lanes, queue.length) }, () => lane(queue, elsewhere)));
  if (elsewhere.length) await lane(elsewhere, null);
  clearInterval(timer);
  measure();
  await finish();
  going = false;
}

// Begins a submission with the list of its files; asked again, after a lost line, it is the same one.
async function announce(fresh) {
  if (!fresh.length) return;
  const submission = fresh[0].submission ??= `SUB-${crypto.randomUUID()}`;
  const json = { "Content-Type": "application/json" };
  const body = JSON.stringify({ id: submission, case: code, purpose: "investigation", ...declared() });
  await persist(() => call("/submissions", { method: "POST", headers: json, body }), waits);
  const list = fresh.map((job, at) => JSON.stringify({ n: at + 1, path: job.path, size: job.size }) + "\n");
  const lines = { "Content-Type": "application/x-ndjson" };
  await persist(() => call(`/submissions/${submission}/list`, { method: "PUT", headers: lines, body: new Blob(list) }), waits);
  fresh.forEach((job, at) => Object.assign(job, { submission, n: at + 1, sent: 0 }));
}

function resume(job, one) {
  const begun = Boolean(one.upload);
  Object.assign(job, { submission: one.submission, n: one.n, sent: one.offset, begun, created: begun });
  if (begun) job.upload = one.upload;
}

async function lane(queue, elsewhere) {
  const hash = newHasher();
  for (let job; (job = queue.shift());) {
    const name = `evidence/${job.submission}/${job.n}`;
    try {
      job.result = await navigator.locks.request(name, { ifAvailable: Boolean(elsewhere) }, (lock) => {
        if (!lock) return null;
        return elsewhere ? deliver(job, hash, (what, value) => told(job, what, value)) : after(job, hash);
      });
      if (!job.result) {
        elsewhere.push(job);
        state(job, say("elsewhere"), "warn");
      } else arrived(job);
    } catch (problem) {
      job.failed = problem;
      state(job, problem.code === "unreadable" ? say("unreadable") : sentence(problem), "bad");
    }
  }
}

// The other window closed, or is done with this file.
async function after(job, hash) {
  const one = (await waitedFor()).find((p) => p.submission === job.submission && p.n === job.n);
  if (one) {
    resume(job, one);
    return deliver(job, hash, (what, value) => told(job, what, value));
  }
  const lines = await everything(`/submissions/${job.submission}/files?limit=500`);
  const line = lines.find((l) => l.n === job.n);
  told(job, "sent", job.size);
  job.digest = await hash(job.file);
  told(job, "digest", job.digest);
  return { ...line, status: line.state };
}

function told(job, what, value) {
  if (what === "sent") {
    if (!job.active) state(job, say("sending"));
    Object.assign(job, { sent: value, active: true });
    if (value === job.size) state(job, say("working"));
  } else if (what === "waits") waits(...(value ? [value.seconds, value.problem] : [0]));
  else if (what === "digest") digestLine(job, "browser", value);
}

let waiting = 0;
function waits(seconds, problem) {
  waiting += seconds ? 1 : -1;
  if (seconds) {
    const why = problem.message ? sentence(problem) : say("line");
    $("line-said").textContent = `${why} ${say("again_in", { seconds })}`;
  }
  $("line").hidden = waiting <= 0;
}

function arrived(job) {
  job.active = false;
  job.sent = job.size;
  digestLine(job, "ours", job.result.sha256);
  const ours = (job.result.sha256 || "").replace("sha256:", "");
  const equal = ours === job.digest;
  const row = rowOf(job);
  row.querySelector("progress").hidden = true;
  state(job, equal ? say("equal") : say("different"), equal ? "good" : "bad");
  if (job.result.exhibit) {
    const link = element("a", job.result.exhibit);
    link.href = `/exhibits/${job.result.exhibit}`;
    link.dir = "ltr";
    row.querySelector(".became").replaceChildren(link);
  } else if (job.result.status === "quarantined") {
    row.querySelector(".became").textContent = say("quarantined");
  }
  if (job.result.exhibit) ready.push(row);
  thin();
}

// --- the end

async function finish() {
  const submissions = [...new Set(picked.map((job) => job.submission))];
  let whole = picked.every((job) => job.result && job.result.exhibit);
  const items = [];
  for (const submission of submissions) {
    const ended = await complete(submission);
    whole &&= ended;
    items.push(ending(submission, ended));
  }
  $("done-title").textContent = say(whole ? "done" : "not_done");
  $("receipts").replaceChildren(...items);
  $("going").hidden = true;
  $("done").hidden = false;
  $("done-title").focus();
}

async function complete(submission) {
  const asked = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
  for (;;) {
    try {
      await persist(() => call(`/submissions/${submission}/complete`, asked), waits);
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (problem.code !== "submission-incomplete") {
        fail(problem);
        return false;
      }
      if (!problem.facts.finishing) return false;
      await rest(1000);
    }
  }
}

function ending(submission, ended) {
  const item = element("li");
  const link = (text, href, file) => {
    const made = element("a", text, file ? "button quiet" : "");
    made.href = href;
    if (file) made.download = file;
    return made;
  };
  const receipt = `/api/v1/submissions/${submission}/receipt`;
  const own = element("p");
  own.append(link(say("own_page"), `/submissions/${submission}`), " ", element("bdi", submission, "soft"));
  if (!ended) item.append(element("p", say("stays_open")), own);
  else {
    const buttons = element("p");
    buttons.append(link(say("receipt_pdf"), receipt + "?format=pdf", `${submission}.pdf`), " ",
      link(say("receipt_json"), receipt, `${submission}.json`));
    item.append(element("p", say("receipt")), buttons, own);
  }
  return item;
}

// --- what is seen of it

function rowOf(job) {
  if (job.row) return job.row;
  const bar = element("progress");
  bar.max = job.size || 1;
  bar.value = job.sent || 0;
  bar.setAttribute("aria-label", say("progress_of", { name: job.path.slice(-80) }));
  job.row = element("li");
  const line = element("p", undefined, "line");
  line.append(named(job.path), " ", element("span", amount(job.size), "soft size"), " ", element("span", "", "became"));
  job.row.append(line, bar, element("p", undefined, "how"), element("dl", undefined, "digests"));
  $("rows").append(job.row);
  state(job, say("waits"));
  return job.row;
}

const ready = []; // rows of files that are done
// Of very many files those that are done make room.
function thin() {
  while (ready.length && $("rows").children.length > MOST_ROWS) ready.shift().remove();
}

function state(job, text, kind = "") {
  job.said = text;
  rowOf(job).querySelector(".how").replaceChildren(kind ? element("span", text, `badge ${kind}`) : text);
}

function digestLine(job, whose, value) {
  if (!value) return;
  const code = element("code", undefined, "digest");
  code.dir = "ltr";
  for (const group of value.replace("sha256:", "").match(/.{1,8}/g)) code.append(element("span", group), element("wbr"));
  const made = element("dd");
  made.className = whose;
  made.append(code);
  rowOf(job).querySelector(".digests").append(element("dt", say(whose)), made);
}

const samples = [];
function measure() {
  const all = picked.reduce((sum, job) => sum + job.size, 0);
  const sent = picked.reduce((sum, job) => sum + job.sent, 0);
  samples.push([performance.now(), sent]);
  if (samples.length > 20) samples.shift();
  const [[from, before]] = samples;
  const speed = Math.max(0, ((sent - before) / (performance.now() - from)) * 1000) || 0;
  $("whole").max = all || 1;
  $("whole").value = all ? sent : 1;
  $("whole-said").textContent = rate(sent, all, speed);
  for (const job of picked.filter((one) => one.active)) {
    const bar = job.row.querySelector("progress");
    bar.value = job.sent;
    job.rate = pace(job);
    if (job.sent < job.size) job.row.querySelector(".how").textContent = `${job.said} ${rate(job.sent, job.size, job.rate)}`;
  }
  const here = picked.filter((job) => job.result).length;
  const text = say("here", { here, count: picked.length });
  if (!gate.why && $("state").textContent !== text) $("state").textContent = text;
}

function pace(job) {
  job.samples ??= [];
  job.samples.push([performance.now(), job.sent]);
  if (job.samples.length > 20) job.samples.shift();
  const [[from, before]] = job.samples;
  return Math.max(0, ((job.sent - before) / (performance.now() - from)) * 1000) || 0;
}

function rate(sent, all, speed) {
  const values = { sent: amount(sent), all: amount(all), speed: amount(speed), left: clock((all - sent) / speed) };
  return say(speed > 0 && sent < all ? "rate" : "of", values);
}

// --- pausing, and a session that ended

gate.changed = () => {
  $("pause").hidden = Boolean(gate.why);
  $("continue").hidden = gate.why !== "paused";
  $("session").hidden = gate.why !== "session";
  if (gate.why) $("state").textContent = say(gate.why === "paused" ? "paused" : "session");
  samples.length = 0;
};

async function signedIn() {
  if (gate.why !== "session") return;
  const found = await ask("/session").catch(() => ({ signed_in: false }));
  $("somebody-else").hidden = !found.signed_in || found.person.id === page.dataset.person;
  if (found.signed_in && found.person.id === page.dataset.person) gate.open();
}

$("pause").addEventListener("click", () => gate.close("paused"));
$("continue").addEventListener("click", () => gate.open());
$("passkey").addEventListener("click", () => signInWithPasskey().then(signedIn, fail));
$("signed-in").addEventListener("click", signedIn);
document.addEventListener("visibilitychange", () => document.hidden || signedIn());
$("now").addEventListener("click", tryNow);
$("begin").addEventListener("click", begin);
$("clear").addEventListener("click", () => {
  picked = [];
  showPicked();
});
for (const id of ["files", "folder"]) {
  const taken = async () => {
    await pick(chosen($(id).files));
    $(id).value = "";
  };
  $(id).addEventListener("change", taken);
  if ($(id).files.length) taken(); // chosen before this script had come
}
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault()); // never leave the page
$("drop").addEventListener("dragover", () => $("drop").classList.add("over"));
$("drop").addEventListener("dragleave", () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => {
  $("drop").classList.remove("over");
  dropped(event.dataTransfer).then(pick).catch(() => fail(new Error(say("unreadable"))));
});
form.addEventListener("input", showSaid);
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("beforeunload", (event) => going && event.preventDefault());

$("insecure").hidden = isSecureContext;
page.hidden = !isSecureContext; // without it the browser has no locks and no random numbers
showSaid();
