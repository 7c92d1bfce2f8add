import { fromBase64url } from "#kernel"

/** Without I, L, O and U, which are read as others (Crockford's base 32). */
const SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

/**
 * Six signs of an action's digest, to be compared by two people or between two screens: `K7M-2QX`. Of the action, not of what one
 * person signs, so that everybody who is asked about it, the agent's terminal and the log have the same.
 */
export function checkCode(digest: string): string {
  const bits = fromBase64url(digest).subarray(0, 4)
  const number = bits.readUInt32BE(0) >>> 2
  const signs = Array.from({ length: 6 }, (_, at) => SIGNS[(number >>> (25 - 5 * at)) & 31]).join("")
  return `${signs.slice(0, 3)}-${signs.slice(3)}`
}
