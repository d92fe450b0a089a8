// The texts of the page, in the language of the browser or the one that was chosen. Nothing is kept.

let current = chosen();

function chosen() {
  const wished = (navigator.languages ?? []).map((tag) => tag.toLowerCase().split("-")[0]);
  return wished.find((tag) => Object.hasOwn(CATALOGUES, tag)) ?? "en";
}

/** A text with its places filled in: strings and nodes, in the order of the text. */
export function parts(key, given = {}) {
  const text = CATALOGUES[current].texts[key] ?? CATALOGUES.en.texts[key];
  return text.split(/(\{[a-z]+\})/).map((piece) => (/^\{/.test(piece) ? given[piece.slice(1, -1)] ?? "" : piece));
}

export const hasWords = (key) => Object.hasOwn(CATALOGUES.en.texts, key);

/** Write everything that stands on the page anew. */
export function relabel() {
  const { dir, reviewed, texts } = CATALOGUES[current];
  document.documentElement.lang = current;
  document.documentElement.dir = dir;
  document.title = texts.title;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = texts[node.dataset.t];
  document.getElementById("unreviewed").hidden = reviewed;
}

/** Fill the list of languages; `changed` is called after each choice. */
export function offerLanguages(changed) {
  const list = document.getElementById("language");
  for (const [tag, { name }] of Object.entries(CATALOGUES)) {
    const option = new Option(name, tag, false, tag === current);
    option.lang = tag;
    list.append(option);
  }
  list.addEventListener("change", () => {
    current = list.value;
    relabel();
    changed();
  });
}

export const numberWords = (value) => new Intl.NumberFormat(current).format(value);

/** A number of bytes, as people say it. */
export function sizeWords(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const style = { style: "unit", unit: units[step], unitDisplay: "short", maximumFractionDigits: step ? 1 : 0 };
  return new Intl.NumberFormat(current, style).format(bytes / 1000 ** step);
}
