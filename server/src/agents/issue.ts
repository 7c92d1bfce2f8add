import { createHash, createPublicKey, type KeyObject, sign } from "node:crypto"
import { isIP } from "node:net"
import { random } from "#kernel"
import { type Certificate, KEY_USAGE, OID, readCertificate } from "./certificate.ts"
import { children, readBitBytes, readDer, TAG } from "./der.ts"
import { bitBytes, boolean, context, integer, namedBits, octets, oid, sequence, set, time, utf8 } from "./der-write.ts"

/** A certificate that may sign others, and the key it signs with. */
export type Signer = { certificate: Certificate; privateKey: KeyObject }

/** Everything a certificate says beside who signed it. */
export type Content = {
  /** Common name; null for an empty subject (RFC 5280 §4.2.1.6: the alternative name is then critical). */
  commonName: string | null
  spki: Uint8Array
  notBeforeMs: number
  notAfterMs: number
  uri: string
  dnsNames?: readonly string[]
  ips?: readonly string[]
} & ({ role: "authority" /** Authorities that may follow below. */; pathLength: number } | { role: "leaf" })

/** A root: signs itself. */
export function selfSign(content: Content, privateKey: KeyObject): Certificate {
  return assemble(content, nameOf(content.commonName), keyId(content.spki), privateKey)
}

/** Signs the content in the signer's name. The result is read back from its bytes and checked against the signer. */
export function signWith(signer: Signer, content: Content): Certificate {
  const { certificate, privateKey } = signer
  const issued = assemble(content, subjectOf(certificate), keyId(certificate.spki), privateKey)
  if (!issued.node.checkIssued(certificate.node) || !issued.node.verify(certificate.node.publicKey)) {
    throw new Error("a certificate that we issued does not verify")
  }
  return issued
}

function assemble(content: Content, issuer: Buffer, authorityKeyId: Buffer, privateKey: KeyObject): Certificate {
  const subject = nameOf(content.commonName)
  return readCertificate(
    certify({ ...content, issuer, subject, extensions: extensionsOf(content, authorityKeyId) }, privateKey),
  )
}

/** What is signed, already in DER where it has structure. */
export type Fields = {
  issuer: Uint8Array
  subject: Uint8Array
  spki: Uint8Array
  notBeforeMs: number
  notAfterMs: number
  extensions: Uint8Array[]
}

/** An X.509 v3 certificate (RFC 5280 §4.1) with a new serial, signed with ECDSA and SHA-256, DER. Judges nothing. */
export function certify(fields: Fields, privateKey: KeyObject): Buffer {
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const tbs = sequence(
    context(0, "constructed", integer(Buffer.of(2))),
    integer(newSerial()),
    algorithm,
    fields.issuer,
    sequence(time(fields.notBeforeMs), time(fields.notAfterMs)),
    fields.subject,
    fields.spki,
    context(3, "constructed", sequence(...fields.extensions)),
  )
  return sequence(tbs, algorithm, bitBytes(sign("sha256", tbs, privateKey)))
}

/** X509-SVID §4: what a signing certificate and a leaf carry. */
function extensionsOf(content: Content, authorityKeyId: Buffer): Buffer[] {
  const isLeaf = content.role === "leaf"
  const constraints = isLeaf ? [] : [boolean(true), integer(Buffer.of(content.pathLength))]
  const usage = isLeaf ? [KEY_USAGE.digitalSignature] : [KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign]
  const names = [
    context(6, "primitive", Buffer.from(content.uri, "latin1")),
    ...(content.dnsNames ?? []).map((name) => context(2, "primitive", Buffer.from(name, "latin1"))),
    ...(content.ips ?? []).map((ip) => context(7, "primitive", ipBytes(ip))),
  ]
  return [
    extension(OID.basicConstraints, true, sequence(...constraints)),
    extension(OID.keyUsage, true, namedBits(...usage)),
    ...(isLeaf ? [extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth)))] : []),
    extension(OID.subjectAltName, content.commonName === null, sequence(...names)),
    extension(OID.subjectKeyId, false, octets(keyId(content.spki))),
    extension(OID.authorityKeyId, false, sequence(context(0, "primitive", authorityKeyId))),
  ]
}

/** One extension (RFC 5280 §4.1) around its value. */
export function extension(id: string, isCritical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(value))
}

/** 128 random bits (RFC 5280 §4.1.2.2: positive, at most 20 bytes; CA/B ballot 164: at least 64 random bits). */
function newSerial(): Buffer {
  return random(16)
}

/** A distinguished name of one common name, or an empty one. */
export function nameOf(commonName: string | null): Buffer {
  return commonName === null ? sequence() : sequence(set(sequence(oid(OID.commonName), utf8(commonName))))
}

/** The signer's own subject, byte for byte: names that are equal but written differently break paths. */
function subjectOf(certificate: Certificate): Buffer {
  const [tbs] = children(readDer(certificate.node.raw))
  return children(tbs!)[5]!.whole
}

/** RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the public key's bits. */
function keyId(spki: Uint8Array): Buffer {
  const [, bits] = children(readDer(spki, TAG.sequence))
  return createHash("sha256").update(readBitBytes(bits)).digest().subarray(0, 20)
}

function ipBytes(ip: string): Buffer {
  if (isIP(ip) === 4) return Buffer.from(ip.split(".").map(Number))
  if (isIP(ip) !== 6) throw new TypeError(`${ip} is not an IP address`)
  // The URL parser knows every way of writing an IPv6 address and gives back one.
  const [head, tail] = new URL(`http://[${ip}]`).hostname.slice(1, -1).split("::")
  const groups = (part: string | undefined) => (part ? part.split(":") : [])
  const missing = 8 - groups(head).length - groups(tail).length
  const all = [...groups(head), ...Array<string>(tail === undefined ? 0 : missing).fill("0"), ...groups(tail)]
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex")
}

/** SubjectPublicKeyInfo of a key, DER. */
export function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" })
}
