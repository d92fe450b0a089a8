// Says who is signed in, steps up, and lists, adds and removes the person's own passkeys.
import { $, ask, element, registerPasskey, sentence, shown, signInWithPasskey } from "./sign-in.js";

async function fill() {
  const found = await ask("/session");
  $("nobody").hidden = found.signed_in;
  $("somebody").hidden = !found.signed_in;
  if (!found.signed_in) return;
  const { person, session } = found;
  $("name").textContent = shown(person.name);
  $("role").textContent = person.role;
  $("organisation").textContent = person.organisation ? shown(person.organisation) : "–";
  $("way").textContent = session.way;
  $("proved").textContent = session.authenticated_at ?? "–";
  $("ends").textContent = session.ends_at;
  $("providers").replaceChildren(...found.providers.map((one) => {
    const item = element("li"), link = element("a", $("with").textContent + " " + shown(one.label));
    link.href = "/sign-in/with/" + encodeURIComponent(one.name) + "?again=1";
    item.append(link);
    return item;
  }));
  const { items } = await ask("/passkeys");
  $("passkeys").replaceChildren(...items.map((one) => {
    const item = element("li"), remove = element("button", $("remove").textContent, "link");
    remove.type = "button";
    remove.addEventListener("click", () => run(() => ask("/passkeys/" + one.passkey, { method: "DELETE" })));
    item.append(element("bdi", shown(one.label)), " ", element("span", one.made_at, "hint"), " ", remove);
    return item;
  }));
}

function run(act) {
  $("problem").hidden = true;
  return act().then(fill).catch((error) => {
    $("problem").textContent = sentence(error);
    $("problem").hidden = false;
  });
}

$("confirm").addEventListener("click", () => run(signInWithPasskey));
$("sign-out").addEventListener("click", () => run(() => ask("/session", { method: "DELETE" })));
$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  run(() => registerPasskey($("label").value));
});
run(async () => {});
