import { Refusal } from "#kernel"

/** A SPIFFE ID in its parts. `path` is empty for a trust domain itself, else it begins with a slash. */
export type SpiffeId = { text: string; trustDomain: string; path: string }

/** Kinds of principal that carry an SVID of ours. */
export type PrincipalKind = "agent" | "operator"

const SCHEME = "spiffe://"
/** SPIFFE-ID §2.3: the longest ID that everybody must support; longer ones must not be generated. */
const MAX_BYTES = 2_048
/** SPIFFE-ID §2.1 bounds the trust domain as RFC 3986 bounds a host name. */
const MAX_TRUST_DOMAIN_BYTES = 255

/**
 * Parses a SPIFFE ID (SPIFFE-ID §2) by allow-list: one character outside the two small alphabets refuses the whole, so
 * that percent-encoding, ports, user names, queries and fragments need no rule of their own. Throws `svid-invalid`.
 */
export function parseSpiffeId(text: string): SpiffeId {
  if (Buffer.byteLength(text) > MAX_BYTES) throw invalid(`it is longer than ${MAX_BYTES} bytes`)
  if (!text.startsWith(SCHEME)) throw invalid("it does not begin with spiffe://")
  const rest = text.slice(SCHEME.length)
  const slash = rest.indexOf("/")
  const trustDomain = slash === -1 ? rest : rest.slice(0, slash)
  const path = slash === -1 ? "" : rest.slice(slash)
  checkTrustDomain(trustDomain)
  for (const segment of path.split("/").slice(1)) {
    if (segment === "") throw invalid("its path has an empty segment")
    if (segment === "." || segment === "..") throw invalid("its path has a dot segment")
    if (!/^[a-zA-Z0-9._-]+$/.test(segment)) throw invalid("its path holds a character that is not allowed")
  }
  return { text, trustDomain, path }
}

/** Refuses with `svid-invalid` what is not a trust domain's name: lower-case letters, digits, dot, dash, underscore. */
export function checkTrustDomain(name: string): void {
  if (name === "") throw invalid("its trust domain is empty")
  if (name.length > MAX_TRUST_DOMAIN_BYTES) throw invalid("its trust domain is too long")
  if (!/^[a-z0-9._-]+$/.test(name)) throw invalid("its trust domain holds a character that is not allowed")
}

/** The SPIFFE ID of an agent or operator of that name. */
export function spiffeIdOf(trustDomain: string, kind: PrincipalKind, name: string): string {
  return `${SCHEME}${trustDomain}/${kind}/${name}`
}

/** Which of our principals the ID names; null when it is another path, such as a server's. */
export function principalNamed(id: SpiffeId): { kind: PrincipalKind; name: string } | null {
  const [, kind, name, more] = id.path.split("/")
  if ((kind !== "agent" && kind !== "operator") || name === undefined || more !== undefined) return null
  return { kind, name }
}

function invalid(reason: string): Refusal {
  return new Refusal("svid-invalid", `The SPIFFE ID is not one: ${reason}.`)
}
