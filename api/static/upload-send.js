// Sends one file: hashed beside the sending, on again after a lost line, compared at its end.
import "./vendor/tus.min.js";

const UPLOADS = "/api/v1/uploads";
export const SMALL = 4 << 20; // hashed first, then sent in one request together with its digest
const CHUNK = 16 << 20; // of the first request; later ones carry what goes in a minute,
const MINUTE = 60_000; // so that the session is asked for, and kept alive, while a slow line works
const MOST = 1 << 30;
const PAUSES = [1, 2, 4, 8, 15, 30, 60]; // seconds before trying again
const SILENCE = 90_000; // milliseconds without a byte after which a line is taken for lost
const ASK = [200, 400, 800, 1500, 3000]; // milliseconds until the result is asked for again

export class Problem extends Error {
  constructor(status, code, detail, wait = 0, facts = {}) {
    super(detail);
    Object.assign(this, { status, code, wait, facts });
  }
}

// Whether anything may be sent at the moment, for everything that is under way.
export const gate = {
  why: "", // "", "paused", "session"
  stops: new Set(), // each breaks off a request
  waiting: [],
  changed: () => {},
  close(why) {
    this.why = why;
    for (const stop of this.stops) stop();
    this.changed();
  },
  open() {
    this.why = "";
    this.changed();
    for (const go of this.waiting.splice(0)) go();
  },
  async passed() {
    while (this.why) await new Promise((go) => this.waiting.push(go));
  },
};

const impatient = new Set(); // waits that "try now", or the line that is back, ends
export const tryNow = () => { for (const go of impatient) go(); };
addEventListener("online", tryNow);

export function rest(milliseconds) {
  return new Promise((done) => {
    const go = () => { clearTimeout(timer); impatient.delete(go); done(); };
    const timer = setTimeout(go, milliseconds);
    impatient.add(go);
  });
}

async function problemOf(answer) {
  const said = await answer.json().catch(() => ({}));
  const code = String(said.type || "").split("/").pop();
  return new Problem(answer.status, code, said.detail || `${answer.status}`, Number(answer.headers.get("Retry-After")) || 0, said);
}

export async function call(path, options = {}) {
  let answer;
  try {
    answer = await fetch("/api/v1" + path, options);
  } catch {
    throw new Problem(0, "line", "");
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer.status === 204 ? null : answer.json().catch(() => { throw new Problem(0, "line", ""); });
}

// Does something until it works. `tell(seconds, problem)` says that it waits; 0: it goes on.
export async function persist(act, tell) {
  for (let tries = 0; ;) {
    await gate.passed();
    const since = moved.count;
    try {
      return await act();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (moved.count !== since) tries = 0;
      if (problem.code === "stopped") continue;
      if (problem.status === 401) {
        gate.close("session");
        continue;
      }
      if (problem.status && problem.status !== 429 && problem.status < 500) throw problem;
      const seconds = Math.max(problem.wait, PAUSES[Math.min(tries, PAUSES.length - 1)]);
      tries += 1;
      tell(seconds, problem);
      await rest(seconds * 1000);
      tell(0);
    }
  }
}

const moved = { count: 0 }; // requests that got through: pauses begin anew

let hasher = 0;
// Hashes files in a worker of its own, one after another.
export function newHasher() {
  const worker = new Worker("/static/upload-hash.js");
  const asked = new Map();
  worker.onmessage = ({ data: { id, hex, error } }) => {
    const { done, failed } = asked.get(id);
    asked.delete(id);
    if (hex) done(hex);
    else failed(new Problem(1, "unreadable", error));
  };
  worker.onerror = () => {
    for (const { failed } of asked.values()) failed(new Problem(1, "no-hash", ""));
  };
  return (file) => new Promise((done, failed) => {
    hasher += 1;
    asked.set(hasher, { done, failed });
    worker.postMessage({ id: hasher, file });
  });
}

// A file of a submission's list: sends it and returns what became of it.
// job: { file, size, submission, n, upload, begun, created }; tell(what, value) is told how it goes.
export async function deliver(job, hash, tell) {
  const digest = hash(job.file);
  digest.catch(() => {}); // said where it is awaited
  job.upload ??= crypto.randomUUID();
  const waits = (seconds, problem) => tell("waits", seconds && { seconds, problem });
  if (job.size <= SMALL && !job.begun) job.digest = await digest;
  await persist(() => readable(job).then(() => sent(job, tell)), waits);
  tell("sent", job.size);
  job.digest = await digest;
  tell("digest", job.digest);
  if (!job.declared) await persist(() => seal(job), waits);
  return persist(() => settled(job), waits);
}

async function readable(job) {
  try {
    await job.file.slice(0, 1).arrayBuffer();
  } catch (error) {
    throw new Problem(1, "unreadable", error.message);
  }
}

function sent(job, tell) {
  return new Promise((done, failed) => {
    const small = Boolean(job.digest) && !job.begun;
    let heard = Date.now(), since = heard;
    const end = (finish, value) => {
      clearInterval(watch);
      gate.stops.delete(stop);
      finish(value);
    };
    const stop = () => {
      upload.abort();
      end(failed, new Problem(0, "stopped", ""));
    };
    const watch = setInterval(() => {
      if (Date.now() - heard < SILENCE) return;
      upload.abort();
      end(failed, new Problem(0, "line", ""));
    }, 5000);
    const upload = new tus.Upload(job.file, {
      ...(job.begun ? { uploadUrl: `${UPLOADS}/${job.upload}` } : { endpoint: UPLOADS }),
      metadata: { submission: job.submission, file: String(job.n), upload: job.upload, modified: String(job.file.lastModified), ...(small ? {} : { seal: "later" }) },
      headers: small ? { "Repr-Digest": reprDigest(job.digest) } : {},
      uploadDataDuringCreation: small,
      chunkSize: CHUNK,
      retryDelays: null,
      storeFingerprintForResuming: false,
      onUploadUrlAvailable: () => { job.begun = job.created = true; },
      onProgress: (at) => {
        heard = Date.now();
        tell("sent", at);
      },
      onChunkComplete: (bytes) => {
        moved.count += 1;
        const pace = bytes / Math.max(1, Date.now() - since);
        upload.options.chunkSize = Math.min(MOST, Math.max(CHUNK / 4, Math.ceil(pace * MINUTE)));
        since = Date.now();
      },
      onSuccess: () => {
        moved.count += 1;
        job.declared ||= small;
        end(done);
      },
      onError: async (error) => end(failed, await refused(job, error)),
    });
    gate.stops.add(stop);
    upload.start();
  });
}

// What tus-js-client calls an error, as a problem; the upload's id is ours, whatever the answer was.
async function refused(job, error) {
  const answer = error.originalResponse;
  const asked = job.begun;
  job.begun = true; // perhaps: the next time it is asked how far it came
  if (!answer || !answer.getStatus()) return new Problem(0, "line", "");
  const said = parsed(answer.getBody());
  const status = answer.getStatus();
  const code = String(said.type || "").split("/").pop();
  const again = new Problem(0, "again", "");
  if (status === 404 && asked && !job.created) { // the request that should have begun it was lost
    job.begun = false;
    return again;
  }
  if (status === 410 && !job.anew) { // given up meanwhile: it begins anew
    Object.assign(job, { anew: true, begun: false, upload: crypto.randomUUID() });
    return again;
  }
  if (code === "upload-exists" || code === "offset-conflict") return again; // it is asked how far it came
  return new Problem(status, code, said.detail || error.message, Number(answer.getHeader("Retry-After")) || 0);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const reprDigest = (hex) => `sha-256=:${btoa(String.fromCharCode(...hex.match(/../g).map((one) => parseInt(one, 16))))}:`;

async function seal(job) {
  await call(`/uploads/${job.upload}/seal`, { method: "POST", headers: { "Repr-Digest": reprDigest(job.digest) } });
  job.declared = true;
}

// Asks until the repository has stored, hashed and registered what arrived.
async function settled(job) {
  for (let tries = 0; ; tries += 1) {
    const found = await call(`/uploads/${job.upload}`);
    if (found.state === "done") return found.results[0];
    if (found.state === "ended") throw new Problem(410, "upload-ended", found.reason);
    await rest(ASK[Math.min(tries, ASK.length - 1)]);
  }
}
