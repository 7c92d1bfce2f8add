import { sha256 } from "#kernel"

/** RFC 8628 §6.1: letters that are hard to confuse and make no words. */
const LETTERS = "BCDFGHJKLMNPQRSTVWXZ"

/**
 * What both screens show, so that the person sees that they belong together: eight letters that come from what is to be signed, as
 * in `KRWD-XQTB`. The challenge is over random bytes of ours, so nobody can look for another action with the same code.
 */
export function checkCode(challenge: Uint8Array): string {
  const digest = sha256(Buffer.concat([Buffer.from("safeconduct check code "), challenge]))
  const letters = [...digest.subarray(0, 8)].map((byte) => LETTERS[byte % LETTERS.length])
  return `${letters.slice(0, 4).join("")}-${letters.slice(4).join("")}`
}
