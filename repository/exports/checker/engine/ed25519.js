// Ed25519 (RFC 8032): by the browser's WebCrypto, or by TweetNaCl where the browser has none of it.
// Both hold the encoding of R against the computed point, without the cofactor, as verify.py does.

const P = 2n ** 255n - 19n;
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const number = (bytes) => bytes.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);

/** Whether a point has the one form that is allowed: libraries take others, verify.py does not. */
function wellWritten(point) {
  const y = number(point) & (2n ** 255n - 1n);
  const sign = point[31] >> 7;
  return point.length === 32 && y < P && !(sign === 1 && (y === 1n || y === P - 1n));
}

let native; // a promise: does this browser know Ed25519?

/** Say whether the browser's own Ed25519 is used. */
export function hasNative() {
  native ??= (async () => {
    try {
      await crypto.subtle.importKey("raw", new Uint8Array(32).fill(0x66).fill(0x58, 0, 1), "Ed25519", false, ["verify"]);
      return true;
    } catch {
      return false;
    }
  })();
  return native;
}

/** Whether a signature is one of the message under this key. */
export async function verifies(key, signature, message) {
  if (signature.length !== 64 || !wellWritten(key) || !wellWritten(signature.subarray(0, 32))) return false;
  if (number(signature.subarray(32)) >= ORDER) return false;
  if (!(await hasNative())) return nacl.sign.detached.verify(message, signature, key);
  let held;
  try {
    held = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
  } catch {
    return false; // no point of the curve
  }
  return crypto.subtle.verify("Ed25519", held, signature, message);
}
