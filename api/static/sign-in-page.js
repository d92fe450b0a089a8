// Signs in, or confirms who it is, and goes on to what was asked for; what was typed is sent again.
import { $, ask, sentence, signInWithPasskey } from "./sign-in.js";

function onward() {
  const typed = $("typed");
  if (typed) typed.submit();
  else if (location.hash || location.pathname === "/sign-in") location.replace(location.pathname + location.search);
  else location.reload();
}

function fail(error) {
  $("problem").textContent = sentence(error);
  $("problem").hidden = false;
}

const form = $("sign-in");
form.addEventListener("submit", (event) => {
  event.preventDefault();
  $("problem").hidden = true;
  const headers = { Authorization: "Bearer " + $("token").value.trim() };
  $("token").value = "";
  ask("/session", { method: "POST", headers }).then(onward).catch(fail);
});
$("passkey").addEventListener("click", () => {
  $("problem").hidden = true;
  signInWithPasskey().then(onward).catch(fail);
});
const said = ["refused", "unavailable"].find((one) => location.hash === "#" + one);
if (said) $(said).hidden = false;

// A link from elsewhere comes without the cookie, which only our own pages send: this page can ask.
const tried = "sign-in-tried";
if (!form.dataset.again && !sessionStorage.getItem(tried)) {
  sessionStorage.setItem(tried, "1");
  ask("/session").then((found) => {
    if (found.signed_in) onward();
    else sessionStorage.removeItem(tried);
  }).catch(() => sessionStorage.removeItem(tried));
} else if (!form.dataset.again) sessionStorage.removeItem(tried);
