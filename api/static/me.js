// Steps up, and lists, adds and removes the person's own passkeys.
import { $, ask, element, registerPasskey, sentence, shown, signInWithPasskey } from "./sign-in.js";

async function fill() {
  const { signed_in, session, providers } = await ask("/session");
  if (!signed_in) return location.assign("/");
  $("way").textContent = session?.way ?? "–";
  $("proved").replaceChildren(when(session?.authenticated_at));
  $("ends").replaceChildren(when(session?.ends_at));
  $("providers").replaceChildren(...providers.map((one) => {
    const item = element("li"), link = element("a", $("providers").dataset.with.replace("{name}", shown(one.label)));
    link.href = "/sign-in/with/" + encodeURIComponent(one.name) + "?again=1";
    item.append(link);
    return item;
  }));
  const { items } = await ask("/passkeys");
  $("passkeys").replaceChildren(...items.map((one) => {
    const item = element("li"), remove = element("button", $("passkeys").dataset.remove, "link");
    remove.type = "button";
    remove.addEventListener("click", () => run(() => ask("/passkeys/" + one.passkey, { method: "DELETE" })));
    item.append(element("bdi", shown(one.label)), " ", when(one.made_at), " ", remove);
    return item;
  }));
}

function when(exact) { // as every page writes the times of the record
  if (!exact) return "–";
  const found = element("time", exact.replace("T", " ").replace(/(\.\d+)?Z$/, " UTC"));
  found.dateTime = exact;
  found.dir = "ltr";
  return found;
}

function run(act) {
  $("problem").hidden = true;
  return act().then(fill).catch((error) => {
    $("problem").textContent = sentence(error);
    $("problem").hidden = false;
  });
}

$("confirm").addEventListener("click", () => run(signInWithPasskey));
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  run(() => registerPasskey($("label").value));
});
run(async () => {});
