// The page at work: it hands files to the worker and shows what the worker says.

import { dropped, picked } from "./drop.js";
import { element, foreign, result, verdict } from "./show.js";
import { offerLanguages, parts, relabel, sizeWords } from "./words.js";

const at = (id) => document.getElementById(id);
const program = URL.createObjectURL(new Blob([at("worker").textContent], { type: "text/javascript" }));
let worker = null;
let asked = new Map(); // what the worker was asked and has not answered
let counter = 0;
let trust = null;
let last = null; // what is shown, to be shown again in another language
let began = 0;

function started() {
  if (worker) return worker;
  worker = new Worker(program);
  worker.onmessage = ({ data }) => {
    if (data.progress) return asked.get(data.id)?.told(data.progress);
    const { good, bad } = asked.get(data.id);
    asked.delete(data.id);
    if (data.refused) bad(Object.assign(new Error(data.refused.why), { wrongUse: data.refused.wrongUse }));
    else good(data.result);
  };
  worker.onerror = (event) => stop(new Error(event.message || "the worker ended"));
  return worker;
}

function stop(why) {
  worker?.terminate();
  worker = null;
  for (const { bad } of asked.values()) bad(why);
  asked = new Map();
}

function ask(message, told = () => {}) {
  counter += 1;
  const id = counter;
  return new Promise((good, bad) => {
    asked.set(id, { good, bad, told });
    started().postMessage({ ...message, id });
  });
}

/** For programs: check files (pairs of path and Blob) against a trust file, without showing anything. */
globalThis.checkFiles = (files, trustFile = null) => ask({ kind: "check", files, trust: trustFile });

function progress({ done, total }) {
  if (total === undefined) return at("far").replaceChildren(...parts("reading"));
  began ||= performance.now();
  const seconds = (performance.now() - began) / 1000;
  const rate = seconds > 0.5 ? done / seconds : 0;
  const left = rate ? Math.round((total - done) / rate) : 0;
  const clock = rate ? `${Math.floor(left / 60)}:${`${left % 60}`.padStart(2, "0")}` : "…";
  at("bar").value = total ? done / total : 1;
  const given = { done: sizeWords(done), total: sizeWords(total), rate: sizeWords(rate), left: clock };
  at("far").replaceChildren(...parts("progress", Object.fromEntries(Object.entries(given).map(([key, text]) => [key, element("bdi", {}, text)]))));
}

function show(stage) {
  at("choose").hidden = stage !== "choose";
  at("working").hidden = stage !== "working";
  at("result").hidden = stage !== "result";
}

async function check(files) {
  if (!files.length) return;
  const name = files[0][0].split("/", 1)[0];
  began = 0;
  at("bar").removeAttribute("value");
  at("far").replaceChildren(...parts("reading"));
  at("said").replaceChildren();
  show("working");
  at("cancel").focus();
  try {
    const found = await ask({ kind: "check", files, trust }, progress);
    if (found.trustFile) return take(files[0][1]);
    present({ found, name });
  } catch (error) {
    if (error.stopped) return show("choose"), at("said").replaceChildren(...parts("cancelled"));
    present({ error, name });
  }
}

function take(file) {
  trust = file;
  show("choose");
  at("trust-taken").hidden = false;
  at("trust-taken").replaceChildren(...parts("trust_taken", { name: foreign(file.name, 200) }));
}

const histories = (number, from, count) => ask({ kind: "history", number, from, count });

function present(shown_) {
  last = shown_;
  const { found, error, name } = shown_;
  const again = element("button", { type: "button", id: "again" }, ...parts("again"));
  again.addEventListener("click", anew);
  const print = element("button", { type: "button", id: "print" }, ...parts("print"));
  print.addEventListener("click", printed);
  const exact = error && element("p", { className: "exact" }, element("bdi", { lang: "en", dir: "ltr" }, foreign(error.message, 400)));
  const nodes = found
    ? result(found, name, histories)
    : [verdict(error.wrongUse ? "none" : "error", "not-done", element("p", {}, foreign(name, 200)), exact)];
  at("result").replaceChildren(...nodes, element("p", {}, again, " ", ...(found ? [print] : [])));
  show("result");
  at("verdict").focus();
}

function anew() {
  last = null;
  for (const id of ["folder", "file"]) at(id).value = "";
  show("choose");
  at("folder").focus();
}

/** Open every history that is on the page, then print. */
async function printed() {
  for (const one of document.querySelectorAll("#exhibits details")) {
    if (!one.open) await one.fill();
    one.open = true;
  }
  print();
}

addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
addEventListener("dragleave", () => at("drop").classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault(); // the browser would open the file in place of this page
  at("drop").classList.remove("over");
  if (at("working").hidden) check(await dropped(event.dataTransfer));
});
for (const id of ["folder", "file"]) at(id).addEventListener("change", () => check(picked(at(id))));
at("trust").addEventListener("change", () => { if (at("trust").files[0]) take(at("trust").files[0]); });
at("cancel").addEventListener("click", () => stop(Object.assign(new Error("stopped"), { stopped: true })));
offerLanguages(() => { if (last) present(last); });
relabel();
