// What was dropped or chosen, as files with the paths they had in their folders.

// Surrogates that stand alone are no text that can be recorded.
const named = (file, path) => ({ file, path: path.replace(/^\/+/, "").toWellFormed(), size: file.size });

export const chosen = (list) => [...list].map((file) => named(file, file.webkitRelativePath || file.name));

// Entries have to be taken before the first await: the browser forgets what was dropped.
export async function dropped(transfer) {
  const entries = [...transfer.items].filter((one) => one.kind === "file").map((one) => one.webkitGetAsEntry?.());
  if (!entries.length || entries.some((one) => !one)) return chosen(transfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push(named(file, entry.fullPath));
    return;
  }
  const reader = entry.createReader();
  for (;;) { // a folder is read a hundred entries at a time
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}
