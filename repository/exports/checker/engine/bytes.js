// Bytes and their writings: UTF-8, hex, base64, each strict, and SHA-256 of what is small.

import { ParseError } from "./outcomes.js";

const encoder = new TextEncoder();
let small; // one instance of hash-wasm, used from start to end without a pause

/** Load what `sha256` needs; once, before anything else here. */
export async function prepareDigests() {
  small ??= await hashwasm.createSHA256();
}

/** The SHA-256 of these pieces in a row, as bytes. */
export function sha256(...pieces) {
  small.init();
  for (const piece of pieces) small.update(piece);
  return small.digest("binary");
}

export const utf8 = (text) => encoder.encode(text);

/** The text of bytes that must be UTF-8; a byte order mark stays, for the reader to refuse. */
export function decoded(bytes) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

export function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of hex digits whose form was checked before. */
export function unhex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** The bytes of a base64 text that is written as RFC 4648 writes it, of this length if one is given. */
export function unbase64(text, length) {
  let plain;
  try {
    plain = atob(text);
  } catch {
    throw new ParseError("not base64");
  }
  if (btoa(plain) !== text || (length !== undefined && plain.length !== length)) {
    throw new ParseError("base64 written oddly, or not of its length");
  }
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
}

export function sameBytes(one, two) {
  return one.length === two.length && one.every((byte, place) => byte === two[place]);
}

/** A whole number below 2^64 as 8 bytes. */
export function uint64(number) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, number);
  return bytes;
}
