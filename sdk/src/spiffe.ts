import { X509Certificate } from "node:crypto"
import { SafeconductError } from "./errors.ts"

/** A SPIFFE ID in its parts. */
export type SpiffeId = { id: string; trustDomain: string; path: string }

const ID = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/

/** Parses a SPIFFE ID (SPIFFE-ID §2). Null when it is none, has no path, or has a segment of dots. */
export function parseSpiffeId(text: string): SpiffeId | null {
  const match = ID.exec(text)
  if (match === null) return null
  const [, trustDomain, path] = match
  if (path!.split("/").some((segment) => segment === "." || segment === "..")) return null
  return { id: text, trustDomain: trustDomain!, path: path! }
}

/** The SPIFFE ID of an X.509-SVID: its only URI name (X509-SVID §2). Throws `server-not-trusted` when it has none or two. */
export function spiffeIdOf(certificate: X509Certificate): SpiffeId {
  const id = parseSpiffeId(onlyUri(certificate) ?? "")
  if (id === null || certificate.ca) {
    throw new SafeconductError("server-not-trusted", "The certificate is not a SPIFFE SVID of a workload.")
  }
  return id
}

/** The trust domain that a root speaks for: its only URI name, without a path (X509-SVID §3.2). Throws `server-not-trusted`. */
export function trustDomainOf(root: X509Certificate): string {
  const match = /^spiffe:\/\/([a-z0-9._-]{1,255})$/.exec(onlyUri(root) ?? "")
  if (match === null || !root.ca) {
    throw new SafeconductError("server-not-trusted", "The root in the server's chain does not name a trust domain.")
  }
  return match[1]!
}

/** Node separates names by ", " and quotes any value that holds a comma or a quote; a SPIFFE ID never needs quotes. */
function onlyUri(certificate: X509Certificate): string | undefined {
  const names = (certificate.subjectAltName ?? "").split(", ").filter((name) => name.startsWith("URI:"))
  return names.length === 1 ? names[0]!.slice("URI:".length) : undefined
}

/** The certificates of a PEM text, in order. Throws `identity-broken` when there is none or one is unreadable. */
export function readCertificates(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw new SafeconductError("identity-broken", "There is no certificate in the file.")
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch (cause) {
    throw new SafeconductError("identity-broken", "A certificate in the file cannot be read.", { cause })
  }
}
