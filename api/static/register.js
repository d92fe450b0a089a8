// Registers a first passkey with the invitation in the address, which no server sees before it is used.
import { $, registerPasskey, sentence } from "./sign-in.js";

const invitation = decodeURIComponent(location.hash.slice(1));
history.replaceState(null, "", location.pathname);
$("none").hidden = Boolean(invitation);
$("register").hidden = !invitation;

$("register").addEventListener("submit", (event) => {
  event.preventDefault();
  $("problem").hidden = true;
  registerPasskey($("label").value, invitation).then(() => {
    $("register").hidden = true;
    $("done").hidden = false;
  }).catch((error) => {
    $("problem").textContent = sentence(error);
    $("problem").hidden = false;
  });
});
