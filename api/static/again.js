// Looks again every few seconds at a page that says how far something is; then shows the whole of it.
const state = () => document.getElementById("state");

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("state");
    if (!answer.ok || !found) return location.reload();
    if (found.dataset.state !== state().dataset.state) return location.reload();
  } catch {
    // No line just now: what was seen stays, and it is asked again.
  }
  setTimeout(look, 3000);
}

setTimeout(look, 3000);
