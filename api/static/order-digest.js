// Fills in the SHA-256 of a document that is chosen; the document itself is sent nowhere.
const chosen = document.getElementById("document");
const digest = document.getElementById("order");

if (chosen && digest && crypto.subtle) {
  chosen.closest("p").hidden = false;
  const filled = async () => {
    const [file] = chosen.files;
    if (!file) return;
    const found = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    digest.value = [...new Uint8Array(found)].map((one) => one.toString(16).padStart(2, "0")).join("");
  };
  chosen.addEventListener("change", filled);
  filled(); // with what was chosen before this script had come
}
