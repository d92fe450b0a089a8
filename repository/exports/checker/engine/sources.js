// Files as they are read here: a piece of a file on disk, or a packed member of an archive.

import { decoded } from "./bytes.js";
import { NotDone, ParseError } from "./outcomes.js";

const BLOCK = 4 * 1_048_576;
export const MOST = 2 ** 30; // bytes of a text that verify.py would read whole
export const HERE = 128 * 1_048_576; // and that this page does

/** Bytes of a Blob, read in blocks; nothing of a large one is ever held whole. */
export class Piece {
  constructor(blob) {
    this.blob = blob;
    this.size = blob.size;
  }

  async *blocks() {
    let next = this.#read(0);
    for (let at = 0; at < this.size; at += BLOCK) {
      const block = await next;
      next = this.#read(at + BLOCK); // while the last one is hashed
      yield block;
    }
    await next;
  }

  async #read(at) {
    if (at >= this.size) return new Uint8Array();
    return new Uint8Array(await this.blob.slice(at, at + BLOCK).arrayBuffer());
  }
}

/** A deflated member of a ZIP, unpacked as it is read, never beyond the length it states. */
export class Packed {
  constructor(blob, size) {
    this.blob = blob;
    this.size = size;
  }

  async *blocks() {
    const reader = this.blob.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    let read = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      read += value.length;
      if (read > this.size) {
        await reader.cancel();
        throw new ParseError("a member of the archive is longer than it states");
      }
      yield value;
    }
    if (read !== this.size) throw new ParseError("a member of the archive is shorter than it states");
  }
}

/** All bytes of a source, if they are not too many. */
export async function whole(source, most = HERE) {
  if (source.size >= MOST) throw new ParseError("a text too large to be what it should be");
  if (source.size > most) {
    throw new NotDone(`a text of ${source.size} bytes is more than this page reads; use verify.py`);
  }
  const bytes = new Uint8Array(source.size);
  let at = 0;
  for await (const block of source.blocks()) {
    bytes.set(block, at);
    at += block.length;
  }
  return bytes;
}

export const textOf = async (source) => decoded(await whole(source));

/** The text of a source, block by block. */
export async function* texts(source) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  for await (const block of source.blocks()) yield decoder.decode(block, { stream: true });
  yield decoder.decode();
}
