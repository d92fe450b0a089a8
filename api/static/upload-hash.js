// A worker: SHA-256 of files, read in pieces, so that the page stays live.
importScripts("/static/vendor/sha256.umd.min.js");

const PIECE = 4 << 20;

async function piece(file, at) {
  return new Uint8Array(at < file.size ? await file.slice(at, at + PIECE).arrayBuffer() : 0);
}

onmessage = async ({ data: { id, file } }) => {
  try {
    const hasher = await hashwasm.createSHA256();
    hasher.init();
    let next = piece(file, 0); // the next piece is fetched while this one is hashed
    for (let at = 0; at < file.size; at += PIECE) {
      const bytes = await next;
      next = piece(file, at + PIECE);
      hasher.update(bytes);
    }
    postMessage({ id, hex: hasher.digest() });
  } catch (error) {
    postMessage({ id, error: error.message || error.name });
  }
};
