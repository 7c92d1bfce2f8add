import { X509Certificate } from "node:crypto"
import { base64url, sha256 } from "#kernel"
import {
  children,
  contextTag,
  type Der,
  DerError,
  expectTag,
  readBitBytes,
  readBoolean,
  readCount,
  readDer,
  readInteger,
  readNamedBits,
  readOid,
  readTime,
  TAG,
} from "./der.ts"

/** Extensions that we understand (RFC 5280 §4.2), and the attribute by which a request asks for them. */
export const OID = {
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
} as const

/** Bits of KeyUsage (RFC 5280 §4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const

/** Digest of each ECDSA algorithm (RFC 5758 §3.2). */
export const ECDSA_DIGESTS: ReadonlyMap<string, "sha256" | "sha384" | "sha512"> = new Map([
  [OID.ecdsaWithSha256, "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
])

/** A certificate as we judge it: read from its DER by us, while Node holds the same bytes. */
export type Certificate = {
  node: X509Certificate
  /** Lower-case hexadecimal without leading zero bytes. */
  serial: string
  /** Object identifier of the signature algorithm. */
  signatureAlgorithm: string
  /** What is signed, DER, and the signature. */
  signed: Buffer
  signature: Buffer
  notBeforeMs: number
  notAfterMs: number
  /** SubjectPublicKeyInfo, DER. */
  spki: Buffer
  /** Identifiers of critical extensions. */
  critical: string[]
  /** Null without the extension; `pathLength` null when it sets no bound. */
  basicConstraints: { isAuthority: boolean; pathLength: number | null } | null
  keyUsage: Set<number> | null
  extendedKeyUsage: string[] | null
  /** Every URI among the subject's alternative names. */
  uris: string[]
}

/** Reads one X.509 v3 certificate (RFC 5280 §4.1). Throws DerError for anything else, and for what is there twice. */
export function readCertificate(bytes: Uint8Array): Certificate {
  const [tbs, outerAlgorithm, signature, more] = children(readDer(bytes, TAG.sequence))
  if (more !== undefined || signature === undefined) throw new DerError("a certificate has three parts")
  const [version, serial, algorithm, , validity, , spki, ...rest] = children(expectTag(tbs, TAG.sequence))
  if (readCount(children(expectTag(version, contextTag(0)))[0]) !== 2) throw new DerError("not version 3")
  // RFC 5280 §4.1.1.2: both name the algorithm, and must name the same.
  if (!algorithm?.whole.equals(outerAlgorithm!.whole)) throw new DerError("two signature algorithms")
  const [notBefore, notAfter] = children(expectTag(validity, TAG.sequence))
  const extensions = readExtensions(rest)
  return {
    node: readWithNode(bytes),
    serial: readInteger(serial)
      .toString("hex")
      .replace(/^(00)+(?=..)/, ""),
    signatureAlgorithm: readOid(children(expectTag(algorithm, TAG.sequence))[0]),
    signed: tbs!.whole,
    signature: readBitBytes(signature),
    notBeforeMs: readTime(notBefore),
    notAfterMs: readTime(notAfter),
    spki: expectTag(spki, TAG.sequence).whole,
    critical: [...extensions].filter(([, { isCritical }]) => isCritical).map(([id]) => id),
    basicConstraints: readBasicConstraints(extensions.get(OID.basicConstraints)),
    keyUsage: map(extensions.get(OID.keyUsage), (value) => readNamedBits(readDer(value))),
    extendedKeyUsage: map(extensions.get(OID.extendedKeyUsage), (value) =>
      children(readDer(value, TAG.sequence)).map(readOid),
    ),
    uris: map(extensions.get(OID.subjectAltName), readUris) ?? [],
  }
}

/** `x5t#S256` of RFC 8705: SHA-256 of the certificate, base64url. */
export function certificateThumbprint(der: Uint8Array): string {
  return base64url(sha256(der))
}

/** The name of a key everywhere in this room: SHA-256 of its SubjectPublicKeyInfo, base64url. */
export function keyThumbprint(spki: Uint8Array): string {
  return base64url(sha256(spki))
}

type Extension = { isCritical: boolean; value: Buffer }

function readWithNode(bytes: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(bytes)
  } catch (cause) {
    throw new DerError("Node cannot read it", { cause })
  }
}

function readExtensions(rest: Der[]): Map<string, Extension> {
  // Unique identifiers [1] and [2] are obsolete (RFC 5280 §4.1.2.8): only extensions [3] may follow the key.
  const [wrapper, more] = rest
  if (more !== undefined) throw new DerError("something beside the extensions")
  const [list, second] = children(expectTag(wrapper, contextTag(3)))
  if (second !== undefined) throw new DerError("two lists of extensions")
  const extensions = new Map<string, Extension>()
  for (const each of children(expectTag(list, TAG.sequence))) {
    const parts = children(expectTag(each, TAG.sequence))
    const id = readOid(parts[0])
    const isCritical = parts.length === 3 ? readBoolean(parts[1]) : false
    if (parts.length < 2 || parts.length > 3) throw new DerError("an extension has two or three parts")
    // RFC 5280 §4.2: not twice. Two parsers could each believe another one.
    if (extensions.has(id)) throw new DerError(`extension ${id} is there twice`)
    extensions.set(id, { isCritical, value: expectTag(parts.at(-1), TAG.octetString).content })
  }
  return extensions
}

function readBasicConstraints(extension: Extension | undefined): Certificate["basicConstraints"] {
  if (extension === undefined) return null
  const parts = children(readDer(extension.value, TAG.sequence))
  const isAuthority = parts[0]?.tag === TAG.boolean && readBoolean(parts.shift())
  const pathLength = parts.length > 0 ? readCount(parts.shift()) : null
  if (parts.length > 0) throw new DerError("basic constraints with more than two parts")
  return { isAuthority, pathLength }
}

function readUris(value: Buffer): string[] {
  // GeneralName uniformResourceIdentifier is [6] IMPLICIT IA5String; latin1 keeps each byte one character.
  return children(readDer(value, TAG.sequence))
    .filter(({ tag }) => tag === contextTag(6, "primitive"))
    .map(({ content }) => content.toString("latin1"))
}

function map<T>(extension: Extension | undefined, read: (value: Buffer) => T): T | null {
  return extension === undefined ? null : read(extension.value)
}
