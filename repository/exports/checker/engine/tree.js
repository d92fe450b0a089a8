// The Merkle tree of RFC 6962.

import { sameBytes, sha256 } from "./bytes.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

export const leafOf = (data) => sha256(LEAF, data);
export const nodeOf = (left, right) => sha256(NODE, left, right);

/** Whether the hashes lead from the leaf at `index` to the root; index and size are BigInt. */
export function included(index, size, leaf, hashes, root) {
  const rights = []; // from the root down: does the leaf stand in the right half?
  if (!(index >= 0n && index < size) || leaf.length !== 32) return false;
  while (size > 1n) {
    const half = 1n << BigInt((size - 1n).toString(2).length - 1);
    rights.push(index >= half);
    [index, size] = index >= half ? [index - half, size - half] : [index, half];
  }
  if (rights.length !== hashes.length) return false;
  for (const sibling of hashes) leaf = rights.pop() ? nodeOf(sibling, leaf) : nodeOf(leaf, sibling);
  return sameBytes(leaf, root);
}

/** The tree hash of leaves that are added one by one; it keeps one hash a level. */
export class GrowingTree {
  constructor() {
    this.count = 0;
    this.levels = []; // the root of each full subtree that waits for its right neighbour
  }

  add(data) {
    let hash = leafOf(data);
    let level = 0;
    for (let rest = this.count; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      hash = nodeOf(this.levels[level], hash);
      level += 1;
    }
    this.levels[level] = hash;
    this.count += 1;
  }

  root() {
    let hash;
    for (let level = 0, rest = this.count; rest > 0; level += 1, rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) hash = hash ? nodeOf(this.levels[level], hash) : this.levels[level];
    }
    return hash ?? sha256();
  }
}
