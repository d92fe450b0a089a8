// One file read once: its digests, and what a registration says of its chunks.

import { hex } from "./bytes.js";
import { GrowingTree } from "./tree.js";

const CHUNK = 1_048_576;
const MAKERS = {
  md5: () => hashwasm.createMD5(),
  sha1: () => hashwasm.createSHA1(),
  sha224: () => hashwasm.createSHA224(),
  sha256: () => hashwasm.createSHA256(),
  sha384: () => hashwasm.createSHA384(),
  sha512: () => hashwasm.createSHA512(),
};

/** Whether this digest is one that we make. */
export const canMake = (kind) => Object.hasOwn(MAKERS, kind);

const instances = new Map(); // one file is measured at a time
async function instance(kind, use = "whole") {
  const name = `${kind} ${use}`;
  if (!instances.has(name)) instances.set(name, await MAKERS[kind]());
  return instances.get(name);
}

/** Read a source; `told` is given the bytes read as they come. */
export async function measure(source, kinds, chunked, told) {
  const running = [];
  for (const kind of kinds) running.push([kind, (await instance(kind)).init()]);
  const chunks = chunked ? new Chunks(await instance("sha256", "chunk")) : null;
  let size = 0;
  for await (const block of source.blocks()) {
    const digested = chunks?.add(block); // by the browser itself, beside our own
    for (const [, hash] of running) hash.update(block);
    await digested;
    size += block.length;
    told(block.length);
  }
  const digests = running.map(([kind, hash]) => [kind, `${kind}:${hash.digest("hex")}`]);
  return { size, digests, chunks: chunks ? await chunks.end() : null };
}

/** The tree over the digests of chunks of 1 MiB, however the bytes come. */
class Chunks {
  constructor(hash) {
    this.hash = hash;
    this.tree = new GrowingTree();
    this.begun = null; // the beginning of a chunk, copied
    this.filled = 0;
  }

  async add(block) {
    const ready = [];
    let at = 0;
    while (at < block.length) {
      const step = Math.min(CHUNK - this.filled, block.length - at);
      const piece = block.subarray(at, at + step);
      at += step;
      if (this.filled === 0 && step === CHUNK) {
        ready.push(this.#digest(piece));
        continue;
      }
      this.begun ??= new Uint8Array(CHUNK);
      this.begun.set(piece, this.filled);
      this.filled += step;
      if (this.filled === CHUNK) {
        ready.push(this.#digest(this.begun));
        this.begun = null;
        this.filled = 0;
      }
    }
    for (const digest of ready) this.tree.add(await digest);
  }

  async #digest(bytes) {
    if (globalThis.crypto?.subtle) return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return this.hash.init().update(bytes).digest("binary");
  }

  async end() {
    if (this.filled) this.tree.add(await this.#digest(this.begun.subarray(0, this.filled)));
    return { size: CHUNK, count: this.tree.count, root: `sha256:${hex(this.tree.root())}` };
  }
}
