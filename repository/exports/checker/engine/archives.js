// TAR and ZIP, read where they lie: the members are pieces of the archive, never copies of it.

import { decoded } from "./bytes.js";
import { WrongUse } from "./outcomes.js";
import { Packed, Piece } from "./sources.js";

const MEMBERS = 200_000;
const BOMB = 16 * 2 ** 30; // bytes unpacked, if they are also more than 64 times those of the archive
const SHORT = 1_048_576; // of a name, or a header with further fields

const bytesOf = async (blob, from, to) => new Uint8Array(await blob.slice(from, to).arrayBuffer());
const broken = (why) => new WrongUse(`the archive cannot be read: ${why}`);

/** Name and source of each file in an archive, and what is wrong with it as a bag; null if it is none. */
export async function membersOf(file) {
  const head = await bytesOf(file, 0, 512);
  const found = new Map();
  const problems = [];
  const add = (name, source) => {
    if (found.has(name)) problems.push(`${name} is twice in the archive`);
    found.set(name, source);
    if (found.size > MEMBERS) throw broken("too many files");
  };
  if (head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4) await unzip(file, add, problems);
  else if (head.length === 512 && latin(head, 257, 5) === "ustar") await untar(file, add, problems);
  else return null;
  return { files: found, problems };
}

function latin(bytes, at, length) {
  const text = String.fromCharCode(...bytes.subarray(at, at + length));
  return text.includes("\0") ? text.slice(0, text.indexOf("\0")) : text;
}

const named = (bytes) => {
  try {
    return decoded(bytes);
  } catch {
    throw broken("a name that is not UTF-8");
  }
};

function octal(bytes, at, length) {
  const text = latin(bytes, at, length).trim();
  if (!/^[0-7]{1,12}$/.test(text)) throw broken("a number that is none");
  return parseInt(text, 8);
}

async function untar(file, add, problems) {
  let more = new Map(); // fields of a `pax` header, for the next file
  for (let at = 0; at < file.size; ) {
    const head = await bytesOf(file, at, at + 512);
    if (head.length < 512) throw broken("it ends within a header");
    if (head.every((byte) => byte === 0)) return;
    const sum = head.reduce((all, byte, place) => all + (place >= 148 && place < 156 ? 32 : byte), 0);
    if (sum !== octal(head, 148, 8)) throw broken("a header whose sum is wrong");
    const size = more.has("size") ? pax(more.get("size")) : octal(head, 124, 12);
    const [from, to] = [at + 512, at + 512 + size];
    if (to > file.size) throw broken("it ends within a file");
    const kind = String.fromCharCode(head[156] || 0x30);
    if (kind === "x" || kind === "g") {
      if (size > SHORT || kind === "g") throw broken("a header of a kind that bundles do not have");
      more = fields(await bytesOf(file, from, to));
    } else {
      const end = (start, most) => head.subarray(start, start + most).findIndex((byte) => byte === 0);
      const text = (start, most) => named(head.subarray(start, start + (end(start, most) < 0 ? most : end(start, most))));
      const prefix = text(345, 155);
      const name = more.get("path") ?? (prefix ? `${prefix}/` : "") + text(0, 100);
      if (kind === "0") add(name, new Piece(file.slice(from, to)));
      else if (kind !== "5") problems.push(`${name} is a link, or no file`);
      more = new Map();
    }
    at = to + ((512 - (size % 512)) % 512);
  }
  throw broken("it ends without the mark of its end");
}

function pax(text) {
  if (!/^[0-9]{1,15}$/.test(text)) throw broken("a number that is none");
  return Number(text);
}

function fields(bytes) {
  const found = new Map();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = space < 0 ? 0 : pax(latin(bytes, at, space - at));
    const text = named(bytes.subarray(space + 1, at + length - 1));
    if (length < 5 || at + length > bytes.length || !text.includes("=")) throw broken("a field that is none");
    found.set(text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1));
    at += length;
  }
  return found;
}

const END = 0x06054b50;
const END64 = 0x06064b50;

async function unzip(file, add, problems) {
  const tail = await bytesOf(file, Math.max(0, file.size - 65_557), file.size);
  const view = new DataView(tail.buffer);
  let end = tail.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== END) end -= 1;
  if (end < 0) throw broken("it has no directory");
  let [count, size, start] = [view.getUint16(end + 10, true), view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  if (end >= 20 && view.getUint32(end - 20, true) === 0x07064b50) {
    const at = Number(view.getBigUint64(end - 12, true));
    const wide = new DataView((await bytesOf(file, at, at + 56)).buffer);
    if (wide.byteLength < 56 || wide.getUint32(0, true) !== END64) throw broken("its directory is not where it should be");
    [count, size, start] = [32, 40, 48].map((place) => Number(wide.getBigUint64(place, true)));
  }
  if (count > MEMBERS || size > 64 * SHORT) throw broken("too many files");
  const list = await bytesOf(file, start, start + size);
  const taken = [];
  let unpacked = 0;
  for (let at = 0, n = 0; n < count; n += 1) {
    const member = directoryEntry(list, at);
    at = member.next;
    unpacked += member.size;
    const local = new DataView((await bytesOf(file, member.offset, member.offset + 30)).buffer);
    if (local.byteLength < 30 || local.getUint32(0, true) !== 0x04034b50) throw broken("a file is not where it should be");
    const from = member.offset + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (from + member.packed > file.size) throw broken("it ends within a file");
    taken.push([member.offset, from + member.packed]);
    if (member.name.endsWith("/") && member.size === 0) continue;
    if (member.link) problems.push(`${member.name} is a link, or no file`);
    const bytes = file.slice(from, from + member.packed);
    if (member.method === 0 && member.packed !== member.size) throw broken("a stored file of two lengths");
    add(member.name, member.method === 0 ? new Piece(bytes) : new Packed(bytes, member.size));
  }
  taken.sort(([one], [two]) => one - two);
  if (taken.some(([from], place) => place > 0 && from < taken[place - 1][1])) {
    throw new WrongUse("files of the archive overlap, which only an attack does; nothing was unpacked");
  }
  if (unpacked > BOMB && unpacked > 64 * file.size) {
    throw new WrongUse(`the archive would unpack to ${unpacked} bytes; unpack it with a program you trust`);
  }
}

function directoryEntry(list, at) {
  const view = new DataView(list.buffer, at);
  if (view.byteLength < 46 || view.getUint32(0, true) !== 0x02014b50) throw broken("its directory is damaged");
  const [flags, method] = [view.getUint16(8, true), view.getUint16(10, true)];
  const [length, extra, comment] = [28, 30, 32].map((place) => view.getUint16(place, true));
  const end = at + 46 + length + extra;
  if (end + comment > list.length) throw broken("its directory is damaged");
  if (flags & 1 || (method !== 0 && method !== 8)) throw broken("a file is encrypted, or packed in another way");
  const found = { name: named(list.subarray(at + 46, at + 46 + length)), method, next: end + comment };
  found.link = (view.getUint32(38, true) >>> 28) === 0xa;
  let [size, packed, offset] = [view.getUint32(24, true), view.getUint32(20, true), view.getUint32(42, true)];
  for (let place = at + 46 + length; place + 4 <= end; ) {
    const field = new DataView(list.buffer, place, end - place);
    const long = field.getUint16(2, true);
    if (place + 4 + long > end) throw broken("its directory is damaged");
    if (field.getUint16(0, true) === 1) {
      let next = 4;
      const wide = (value) => {
        if (value !== 0xffffffff) return value;
        if (next + 8 > 4 + long) throw broken("its directory is damaged");
        next += 8;
        return Number(field.getBigUint64(next - 8, true));
      };
      [size, packed, offset] = [wide(size), wide(packed), wide(offset)];
    }
    place += 4 + long;
  }
  return Object.assign(found, { size, packed, offset });
}

const MARKS = ["bagit.txt", "custody.json", "tagmanifest-sha256.txt"];

/** Take the folder's own name off the paths of a bundle; names that lead elsewhere are problems. */
export function rooted(files, problems) {
  const bundle = (root) => MARKS.some((mark) => files.has(root + mark));
  let root = "";
  if (!bundle("")) {
    const firsts = new Set([...files.keys()].map((name) => name.split("/", 1)[0]));
    const [only] = firsts;
    if (firsts.size === 1 && bundle(`${only}/`)) root = `${only}/`;
    else return null;
  }
  const found = new Map();
  for (const [name, source] of files) {
    const inside = name.slice(root.length);
    if (/^\/|^[A-Za-z]:|\\|\0/.test(inside) || inside.split("/").some((part) => part === ".." || part === "." || part === "")) {
      problems.push(`${inside} leads out of the bag, or is no path`);
    }
    found.set(inside, source);
  }
  return found;
}
