// Reads cases and exhibits through the API. Every value is set as text, never as markup.
import { $, Refused, ask, element, sentence, shown, signInWithPasskey } from "./sign-in.js";

const state = { code: null, next: null };
const name = (path) => (typeof path === "string" ? shown(path) : "base64:" + path.base64);

function show(id) {
  for (const part of ["sign-in", "cases", "case"]) $(part).hidden = part !== id;
  $("problem").hidden = true;
}

function fail(error) {
  if (error instanceof Refused) {
    $("who").hidden = true;
    show("sign-in");
  }
  $("problem").textContent = sentence(error) + " Nothing was changed.";
  $("problem").hidden = false;
}

async function cases() {
  const found = await ask("/cases?limit=500");
  while (found.next) {
    const more = await ask("/cases?limit=500&cursor=" + encodeURIComponent(found.next));
    found.items.push(...more.items);
    found.next = more.next;
  }
  const items = found.items.map((one) => {
    const item = element("li");
    const open = element("button", one.case + " ", "link");
    open.type = "button";
    open.append(element("bdi", shown(one.title)));
    open.addEventListener("click", () => openCase(one.case, one.title).catch(fail));
    item.append(open, element("span", " " + one.exhibits + " exhibits", "hint"));
    return item;
  });
  if (!items.length) items.push(element("li", "You take part in no case yet. A custodian can give you a part in one.", "hint"));
  $("case-list").replaceChildren(...items);
  show("cases");
}

async function openCase(code, title) {
  state.code = code;
  $("case-title").replaceChildren(code + " ", element("bdi", shown(title)));
  $("exhibits").replaceChildren();
  state.next = null;
  await page();
  show("case");
}

async function page() {
  const cursor = state.next ? "&cursor=" + encodeURIComponent(state.next) : "";
  const found = await ask("/exhibits?case=" + encodeURIComponent(state.code) + cursor);
  for (const one of found.items) {
    const row = element("tr");
    const path = element("td", undefined, "name");
    path.append(element("bdi", name(one.path)));
    const kind = (one.type ?? "not looked at yet") + (one.mismatch ? " (not what its name says)" : "");
    row.append(
      element("td", one.exhibit), path, element("td", kind), element("td", String(one.size), "number"),
      element("td", one.registered_at, "time"), element("td", one.sha256.slice(7), "digest"),
    );
    $("exhibits").append(row);
  }
  state.next = found.next;
  $("more").hidden = !found.next;
  const none = !$("exhibits").children.length;
  $("none").hidden = !none;
  $("none").textContent = none ? "No exhibits yet. Take some in: evidence ingest PATH --case " + state.code : "";
}

$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const headers = { Authorization: "Bearer " + $("token").value.trim() };
  $("token").value = "";
  ask("/session", { method: "POST", headers }).then(enter).catch(fail);
});
$("passkey").addEventListener("click", () => signInWithPasskey().then(enter).catch(fail));
$("sign-out").addEventListener("click", () =>
  ask("/session", { method: "DELETE" }).then(() => { $("who").hidden = true; show("sign-in"); }).catch(fail));
$("back").addEventListener("click", () => cases().catch(fail));
$("more").addEventListener("click", () => page().catch(fail));

fetch("/readyz").then((answer) => answer.json()).then((ready) => {
  $("checkpoint").textContent = ready.checkpoint + " custody entries, " + ready.witnesses;
}).catch(() => { $("checkpoint").textContent = "The service does not answer."; });

function enter(session) {
  if (!session.signed_in) {
    $("providers").replaceChildren(...session.providers.map((one) => {
      const item = element("li"), link = element("a", $("with").textContent + " " + shown(one.label));
      link.href = "/sign-in/with/" + encodeURIComponent(one.name);
      item.append(link);
      return item;
    }));
    show("sign-in");
    const said = ["refused", "unavailable"].find((one) => location.hash === "#" + one);
    if (said) $(said).hidden = false;
    return;
  }
  $("name").textContent = shown(session.person.name);
  $("who").hidden = false;
  return cases();
}

ask("/session").then(enter).catch(fail);
