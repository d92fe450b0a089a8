// What was dropped or chosen, as pairs of a path and its file.

/** The files of a drop, folders walked through. The list of items is gone once this waits. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => [file.name, file]);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    found.push([entry.fullPath.replace(/^\//, ""), await new Promise((good, bad) => entry.file(good, bad))]);
    return;
  }
  const reader = entry.createReader();
  for (;;) { // it gives some at a time
    const some = await new Promise((good, bad) => reader.readEntries(good, bad));
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}

/** The files of an input. */
export const picked = (input) => [...input.files].map((file) => [file.webkitRelativePath || file.name, file]);
