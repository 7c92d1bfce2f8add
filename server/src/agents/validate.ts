import type { KeyObject } from "node:crypto"
import { isEcdsaSignature, Refusal } from "#kernel"
import {
  type Certificate,
  certificateThumbprint,
  ECDSA_DIGESTS,
  KEY_USAGE,
  keyThumbprint,
  OID,
  readCertificate,
} from "./certificate.ts"
import { DerError } from "./der.ts"
import { parseSpiffeId, type SpiffeId } from "./spiffe-id.ts"

/** The root certificates of each trust domain. Never merged: a root speaks for its own domain only. */
export type BundleMap = ReadonlyMap<string, readonly Certificate[]>

/** What the peer was at the other end: whoever opened the connection, or whoever accepted it. */
export type PeerUse = "client" | "server"

/** What a chain is judged against, and when. */
export type ValidationOptions = {
  bundles: BundleMap
  nowMs: number
  use: PeerUse
  /** How long ago a leaf may have expired; 0 unless told. Only renewal tells. */
  graceMs?: number
}

/** An X.509-SVID that passed every check, at that time. */
export type Svid = {
  id: SpiffeId
  /** Certificate serial, lower-case hexadecimal. */
  serial: string
  /** x5t#S256 (RFC 8705 §3.1). */
  thumbprint: string
  /** SHA-256 of the SubjectPublicKeyInfo, base64url. */
  keyThumbprint: string
  notBeforeMs: number
  notAfterMs: number
}

const MAX_CHAIN = 5

/** Signatures that count: ECDSA and RSA (PKCS #1, PSS) with SHA-2, and Ed25519. SHA-1 and MD5 do not. */
const SIGNATURES = new Set<string>([
  ...ECDSA_DIGESTS.keys(),
  "1.2.840.113549.1.1.10",
  "1.2.840.113549.1.1.11",
  "1.2.840.113549.1.1.12",
  "1.2.840.113549.1.1.13",
  "1.3.101.112",
])

/** Critical extensions that the checks below use. Another one, name constraints too, refuses the path (RFC 5280 §4.2). */
const UNDERSTOOD = new Set<string>([OID.basicConstraints, OID.keyUsage, OID.extendedKeyUsage, OID.subjectAltName])

/**
 * Validates an X.509-SVID with its intermediates, leaf first, root optional (X509-SVID §5; RFC 5280 §6.1 for paths
 * without policies and name constraints). Throws `svid-invalid` with the check that failed, and `svid-expired` when age
 * is all that is wrong with it. Pure: the same arguments always give the same answer.
 */
export function validateSvid(chain: readonly Uint8Array[], options: ValidationOptions): Svid {
  const [leaf, ...above] = readChain(chain)
  if (leaf === undefined) throw invalid("the chain is empty")
  const id = identityOf(leaf)
  // X509-SVID §5.2, SPIFFE-Trust-Domain-and-Bundle §5: the bundle is chosen by the leaf's own trust domain, and no other
  // bundle may vouch for it, or every federated domain could name our agents.
  const bundle = options.bundles.get(id.trustDomain) ?? []
  if (bundle.length === 0) throw invalid(`there is no bundle for the trust domain ${id.trustDomain}`)
  checkLeaf(leaf, options.use)
  const authorities = findPath(leaf, above, bundle, options.use)
  for (const each of [leaf, ...authorities]) checkCritical(each)
  for (const each of authorities) checkPeriod(each, options.nowMs, 0, "a certificate above it")
  checkPeriod(leaf, options.nowMs, options.graceMs ?? 0, "it")
  return {
    id,
    serial: leaf.serial,
    thumbprint: certificateThumbprint(leaf.node.raw),
    keyThumbprint: keyThumbprint(leaf.spki),
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
  }
}

function readChain(chain: readonly Uint8Array[]): Certificate[] {
  if (chain.length > MAX_CHAIN) throw invalid(`the chain is longer than ${MAX_CHAIN} certificates`)
  return chain.map((bytes, at) => {
    try {
      return readCertificate(bytes)
    } catch (cause) {
      if (!(cause instanceof DerError)) throw cause
      throw invalid(`certificate ${at} of the chain is not strict DER (${cause.message})`)
    }
  })
}

function identityOf(leaf: Certificate): SpiffeId {
  const [uri, second] = leaf.uris
  if (uri === undefined) throw invalid("it has no URI as alternative name")
  if (second !== undefined) throw invalid("it has more than one URI as alternative name")
  const id = parseSpiffeId(uri)
  if (id.path === "") throw invalid("its SPIFFE ID has no path, which only signing certificates may lack")
  return id
}

function checkLeaf(leaf: Certificate, use: PeerUse): void {
  if (leaf.basicConstraints?.isAuthority) throw invalid("it is an authority's certificate, not a leaf")
  if (leaf.keyUsage?.has(KEY_USAGE.keyCertSign)) throw invalid("its key may sign certificates")
  if (leaf.keyUsage?.has(KEY_USAGE.cRLSign)) throw invalid("its key may sign revocation lists")
  if (!leaf.keyUsage?.has(KEY_USAGE.digitalSignature)) throw invalid("its key usage lacks digitalSignature")
  const purpose = use === "client" ? OID.clientAuth : OID.serverAuth
  if (!leaf.extendedKeyUsage?.includes(purpose)) throw invalid(`its extended key usage lacks ${use}Auth`)
}

/** The authorities from the leaf's issuer up to a root of the bundle, every link's name and signature checked. */
function findPath(
  leaf: Certificate,
  above: Certificate[],
  bundle: readonly Certificate[],
  use: PeerUse,
): Certificate[] {
  const path = [...above]
  const last = path.at(-1)
  // A peer may send the root along; it counts because we hold it, not because it was sent.
  if (last !== undefined && bundle.some((root) => root.node.raw.equals(last.node.raw))) path.pop()
  let child = leaf
  for (const [depth, authority] of path.entries()) {
    checkAuthority(authority, depth, use)
    if (!isIssuedBy(child, authority)) throw invalid("a certificate of the chain was not issued by the next one")
    child = authority
  }
  const root = bundle.find((each) => isIssuedBy(child, each))
  if (root === undefined) throw invalid("the chain does not end at a root of its trust domain's bundle")
  checkAuthority(root, path.length, use)
  return [...path, root]
}

function isIssuedBy(child: Certificate, authority: Certificate): boolean {
  if (!SIGNATURES.has(child.signatureAlgorithm))
    throw invalid("a signature of the chain is by an algorithm not allowed")
  return child.node.checkIssued(authority.node) && verifies(child, authority.node.publicKey)
}

function verifies(child: Certificate, key: KeyObject): boolean {
  const { signed: message, signature } = child
  const digest = ECDSA_DIGESTS.get(child.signatureAlgorithm)
  if (digest !== undefined) return isEcdsaSignature({ key, message, signature, form: "der", digest })
  const isStrong = key.asymmetricKeyType !== "rsa" || (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2_048
  return isStrong && child.node.verify(key)
}

/** `depth` counts the authorities between this one and the leaf (RFC 5280 §4.2.1.9; self-issued ones count too). */
function checkAuthority(authority: Certificate, depth: number, use: PeerUse): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = authority
  if (!basicConstraints?.isAuthority) throw invalid("a certificate that is not an authority's signed another one")
  if (!keyUsage?.has(KEY_USAGE.keyCertSign)) throw invalid("an authority's key may not sign certificates")
  if (basicConstraints.pathLength !== null && depth > basicConstraints.pathLength) {
    throw invalid("there are more authorities in the chain than one of them allows")
  }
  // RFC 5280 leaves it open; everybody reads an authority's extended key usage as a bound on what it issues.
  const purpose = use === "client" ? OID.clientAuth : OID.serverAuth
  if (extendedKeyUsage !== null && !extendedKeyUsage.includes(purpose)) {
    throw invalid(`an authority's extended key usage lacks ${use}Auth`)
  }
}

function checkCritical(certificate: Certificate): void {
  const unknown = certificate.critical.find((id) => !UNDERSTOOD.has(id))
  if (unknown !== undefined) throw invalid(`the critical extension ${unknown} is not understood here`)
}

function checkPeriod(certificate: Certificate, nowMs: number, graceMs: number, what: string): void {
  if (nowMs < certificate.notBeforeMs) throw invalid(`${what} is not valid yet`)
  if (nowMs <= certificate.notAfterMs + graceMs) return
  const at = new Date(certificate.notAfterMs).toISOString()
  throw new Refusal("svid-expired", `The SVID is not accepted: ${what} expired at ${at}. Renew it, or enrol again.`)
}

function invalid(check: string): Refusal {
  return new Refusal("svid-invalid", `The SVID is not accepted: ${check}.`)
}
