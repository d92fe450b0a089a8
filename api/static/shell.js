// What every page has: signing out, tables' links by keyboard, the focus on what was refused.
import { $, ask } from "./sign-in.js";

$("sign-out")?.addEventListener("click", async (event) => {
  event.target.disabled = true;
  await ask("/session", { method: "DELETE" }).catch(() => null); // ended already: the same to whoever leaves
  location.assign("/");
});
$("problem")?.focus();
