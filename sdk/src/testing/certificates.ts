import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import { bitString, integer, oid, pem, sequence, tlv } from "../der.ts"

/** A certificate made for a test, with what issues from it. */
export type TestCertificate = { pem: string; der: Buffer; key: KeyObject; keyPem: string; name: string }

type Wanted = {
  name: string
  /** URI names; a SPIFFE SVID has exactly one. */
  uris?: string[]
  dns?: string[]
  ca?: boolean
  notBefore?: Date
  notAfter?: Date
  /** Absent: self-signed. */
  issuer?: TestCertificate
  /** Absent: a new key. */
  spki?: KeyObject
}

/** Issues an X.509 v3 certificate (RFC 5280) over EC P-256; enough of one for TLS tests. */
export function issue(wanted: Wanted): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const issuer = wanted.issuer ?? { key: privateKey, name: wanted.name }
  const algorithm = sequence(oid("1.2.840.10045.4.3.2"))
  const body = sequence(
    tlv(0xa0, integer(Uint8Array.of(2))),
    integer(Buffer.concat([Uint8Array.of(1), randomBytes(15)])),
    algorithm,
    distinguishedName(issuer.name),
    sequence(
      time(wanted.notBefore ?? new Date(Date.now() - 60_000)),
      time(wanted.notAfter ?? new Date(Date.now() + 3_600_000)),
    ),
    distinguishedName(wanted.name),
    (wanted.spki ?? publicKey).export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...extensions(wanted))),
  )
  const der = sequence(body, algorithm, bitString(sign("sha256", body, issuer.key)))
  const keyPem = privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  return { pem: pem("CERTIFICATE", der), der, key: privateKey, keyPem, name: wanted.name }
}

/** A root, and the SVID of `spiffe://<trust domain>/server` below it. */
export function issueServer(trustDomain = "test.example") {
  const root = issue({ name: "root", uris: [`spiffe://${trustDomain}`], ca: true })
  return { root, server: issue({ name: "server", uris: [`spiffe://${trustDomain}/server`], issuer: root }) }
}

function extensions({ ca = false, uris = [], dns = [] }: Wanted): Buffer[] {
  const names = [...uris.map((uri) => tlv(0x86, Buffer.from(uri))), ...dns.map((name) => tlv(0x82, Buffer.from(name)))]
  return [
    extension("2.5.29.19", true, sequence(...(ca ? [tlv(0x01, Uint8Array.of(0xff))] : []))),
    // keyCertSign for an authority, digitalSignature for a leaf (RFC 5280 §4.2.1.3).
    extension("2.5.29.15", true, ca ? Buffer.from("03020204", "hex") : Buffer.from("03020780", "hex")),
    ...(ca ? [] : [extension("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.1"), oid("1.3.6.1.5.5.7.3.2")))]),
    ...(names.length > 0 ? [extension("2.5.29.17", false, sequence(...names))] : []),
  ]
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(isCritical ? [tlv(0x01, Uint8Array.of(0xff))] : []), tlv(0x04, value))
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid("2.5.4.3"), tlv(0x0c, Buffer.from(commonName)))))
}

function time(at: Date): Buffer {
  return tlv(0x18, Buffer.from(`${at.toISOString().replaceAll(/[-:T]|\.\d+/g, "")}`))
}
