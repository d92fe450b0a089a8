// What every page shares: asking the API, and passkeys. The session is a cookie that no script reads.
export const $ = (id) => document.getElementById(id);

// Control and bidirectional characters in names are shown, never obeyed.
export const shown = (text) =>
  text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));

export const element = (tag, text, kind) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
};

export class Refused extends Error {}

export async function ask(path, options = {}) {
  const answer = await fetch("/api/v1" + path, options);
  if (answer.status === 204) return null;
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({ detail: "The service answered " + answer.status }));
  throw answer.status === 401 ? new Refused(problem.detail) : new Error(problem.detail);
}

export const sentence = (error) => error.message.charAt(0).toUpperCase() + error.message.slice(1).replace(/\.?$/, ".");

const post = (body) => ({
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

// A browser says in its own words when its person gave up or has no passkey here.
export async function signInWithPasskey() {
  const { options } = await ask("/session/passkey/options", { method: "POST" });
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  return ask("/session/passkey", post({ credential: credential.toJSON() }));
}

export async function registerPasskey(label, invitation) {
  const { options } = await ask("/passkeys/options", post(invitation ? { invitation } : {}));
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  return ask("/passkeys/registration", post({ credential: credential.toJSON(), label }));
}
