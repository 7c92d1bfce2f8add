import type { Audit } from "#audit"
import { generateKey } from "#kernel"
import type { Authority } from "./authority.ts"
import { issuedDraft, leafRow } from "./enrol.ts"
import { insertSvid } from "./store.ts"

/** A server's own SVID for its TLS listener, PEM; leaf first. Whoever holds it renews it at half its life. */
export type ServerIdentity = { key: string; certificates: string; notAfterMs: number }

/** Names that a server is reached by, for clients that know no SPIFFE. */
export type ServerNames = { dns: readonly string[]; ips: readonly string[] }

/** What issuing to ourselves needs. */
export type ServerIdentityParts = { audit: Audit; authority: Authority; trustDomain: string }

/** Issues `spiffe://<trust domain>/server`. The key is made anew each time and is nowhere but in memory. */
export async function issueServerIdentity(
  { audit, authority, trustDomain }: ServerIdentityParts,
  { dns, ips }: ServerNames,
): Promise<ServerIdentity> {
  const { spki, privateKey } = generateKey()
  const spiffeId = `spiffe://${trustDomain}/server`
  const leaf = authority.issue({ spki, spiffeId, dnsNames: dns, ips })
  await audit.commit({
    work: (tx) => insertSvid(tx, { ...leafRow(leaf), instance: null, spiffeId }),
    entries: () => [issuedDraft(null, spiffeId, leaf, {})],
  })
  // A crash here leaves an entry of a certificate whose key is gone with this process.
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    certificates: leaf.pem,
    notAfterMs: leaf.certificate.notAfterMs,
  }
}
