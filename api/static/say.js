// Leaves at once (button, Escape, Shift three times); sends files in pieces that go on after a broken line.
const $ = (id) => document.getElementById(id);

// The page is blank before anything is waited for, and does not stand in the history behind the next.
function leave() {
  const to = $("leave").href;
  document.documentElement.replaceChildren();
  location.replace(to);
}
let shifts = 0, since = 0;
$("leave").addEventListener("click", (event) => { event.preventDefault(); leave(); });
addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    event.preventDefault();
    leave();
  } else if (event.key === "Shift" && !event.repeat) {
    if (event.timeStamp - since > 5000) shifts = 0;
    since = event.timeStamp;
    shifts += 1;
    $("leaving").textContent = shifts === 2 ? $("leaving").dataset.once : "";
    if (shifts === 3) leave();
  } else shifts = 0;
});

const form = $("files");
const PIECE = 2 << 20, HEAD = 1 << 16;
const wait = (seconds) => new Promise((done) => {
  const early = () => { clearTimeout(timer); removeEventListener("online", early); done(); };
  const timer = setTimeout(early, seconds * 1000);
  addEventListener("online", early);
});
const hex = (raw) => [...new Uint8Array(raw)].map((one) => one.toString(16).padStart(2, "0")).join("");

// What the service refused stays refused; a line that broke is tried again, in growing pauses.
async function asked(say, path, options) {
  for (let pause = 1; ; pause = Math.min(pause * 2, 60)) {
    let answer = null;
    try { answer = await fetch(path, options()); } catch { /* the line broke: below */ }
    if (answer?.ok) return answer.json();
    if (answer && answer.status < 500 && answer.status !== 429 && answer.status !== 409) throw new Error((await answer.json()).detail);
    if (answer?.status === 409) return null;
    say(form.querySelector("#progress").dataset.broken);
    await wait(pause);
  }
}

async function sendFile(file, key, line) {
  const texts = $("progress").dataset;
  const say = (text) => { line.textContent = file.name + " – " + text; };
  const head = "sha256:" + hex(await crypto.subtle.digest("SHA-256", await file.slice(0, HEAD).arrayBuffer()));
  const json = { "Content-Type": "application/json" };
  const begin = () => asked(say, "/say/letter", () => ({
    method: "POST", headers: json, body: JSON.stringify({ key, name: file.name, size: file.size, head }),
  }));
  let here = await begin();
  do {
    say(texts.some.replace("{count}", here.offset).replace("{size}", file.size));
    const from = here.offset;
    const sent = await asked(say, "/say/piece", () => ({
      method: "POST", body: file.slice(from, from + PIECE),
      headers: { "Say-Key": encodeURIComponent(key), "Say-Letter": here.letter, "Upload-Offset": String(from) },
    }));
    here = sent ? { ...here, ...sent } : await begin();
  } while (here.offset < file.size);
  say(texts.all.replace("{count}", file.size));
}

form?.addEventListener("submit", async (event) => {
  if (!crypto.subtle) return; // an address without TLS: the form does it
  event.preventDefault();
  const key = form.elements.key.value, button = form.querySelector("button");
  button.disabled = true;
  for (const file of form.elements.file.files) {
    const line = document.createElement("p");
    line.dir = "auto";
    $("progress").append(line);
    try { await sendFile(file, key, line); } catch (error) { line.textContent = file.name + " – " + error.message; }
  }
  form.elements.file.value = "";
  button.disabled = false;
});
