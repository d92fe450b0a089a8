// A worker: SHA-256 of files, read in pieces, so that the page stays live.
importScripts("/static/vendor/sha256.umd.min.js");

const PIECE = 4 << 20;

onmessage = async ({ data: { id, file } }) => {
  try {
    const hasher = await hashwasm.createSHA256();
    hasher.init();
    for (let at = 0; at < file.size; at += PIECE) {
      hasher.update(new Uint8Array(await file.slice(at, at + PIECE).arrayBuffer()));
    }
    postMessage({ id, hex: hasher.digest() });
  } catch (error) {
    postMessage({ id, error: error.message || error.name });
  }
};
