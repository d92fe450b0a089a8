// What a claim may end in besides `pass`: thrown by whatever makes it.

/** What was looked at is not as its format demands: the claim fails. */
export class ParseError extends Error {}

/** The claim could not be made here: never a pass, never a failure. */
export class NotDone extends Error {}

/** What was given is neither a bundle nor a receipt: there is no verdict at all. */
export class WrongUse extends Error {}

/** One line without a sign that turns the writing round or steers anything: those stand as U+XXXX. */
export function shown(text, most = 400) {
  const short = [...text.slice(0, most)].join("");
  // eslint-disable-next-line no-control-regex
  return (short + (text.length > most ? "…" : "")).replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu,
    (sign) => `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
  );
}
