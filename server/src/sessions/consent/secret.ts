import { base64url, Refusal, random, sha256 } from "#kernel"

/** A secret for whoever holds it, and what the database knows of it. 256 random bits. */
export function mintSecret(): { text: string; hash: Buffer } {
  const text = base64url(random(32))
  return { text, hash: sha256(text) }
}

/** What the database knows of a secret that was shown; null for what is none of ours, which nobody needs to look for. */
export function hashOfSecret(text: string | null | undefined): Buffer | null {
  return text != null && /^[A-Za-z0-9_-]{43}$/.test(text) ? sha256(text) : null
}

/** The same of a secret that was looked at before. Throws `not-found`. */
export function requiredHash(text: string): Buffer {
  const hash = hashOfSecret(text)
  if (hash === null) throw new Refusal("not-found", "There is no such thing any more. Begin anew.")
  return hash
}
