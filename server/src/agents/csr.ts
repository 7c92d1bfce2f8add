import { createPublicKey, type KeyObject, sign } from "node:crypto"
import { isEcdsaSignature, Refusal } from "#kernel"
import { ECDSA_DIGESTS, keyThumbprint, OID } from "./certificate.ts"
import { children, contextTag, expectTag, readBitBytes, readCount, readDer, readOid, TAG } from "./der.ts"
import { bitBytes, context, integer, oid, pem, sequence } from "./der-write.ts"

/** What a signing request gives us: a public key whose private half its sender holds. Nothing else in it is read. */
export type SigningRequest = { /** SubjectPublicKeyInfo, DER. */ spki: Buffer; keyThumbprint: string }

const MAX_BYTES = 4_096

/**
 * SubjectPublicKeyInfo of an EC P-256 key in the one form that we accept: named curve, uncompressed point. A key that
 * could be written in two ways could be enrolled twice.
 */
const P256_PREFIX = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d030107034200" + "04", "hex")
const P256_BYTES = 91

/**
 * Reads a PKCS #10 request (RFC 2986) and checks its own signature: proof of possession. Names and extensions that it
 * asks for are ignored; who the key belongs to is ours to say. Throws `csr-invalid`.
 */
export function readSigningRequest(text: string): SigningRequest {
  try {
    return read(decode(text))
  } catch (cause) {
    if (cause instanceof Refusal) throw cause
    throw invalid("it is not a PKCS #10 request in PEM", cause)
  }
}

/** A request signed by that EC P-256 key, PEM. Its subject is empty: the answer's names come from the registration. */
export function newSigningRequest(privateKey: KeyObject): string {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" })
  const body = sequence(integer(Buffer.of(0)), sequence(), spki, context(0, "constructed"))
  const signature = sign("sha256", body, privateKey)
  return pem("CERTIFICATE REQUEST", sequence(body, sequence(oid(OID.ecdsaWithSha256)), bitBytes(signature)))
}

function read(bytes: Buffer): SigningRequest {
  const [body, algorithm, signature, more] = children(readDer(bytes, TAG.sequence))
  const [version, , key, attributes, beyond] = children(expectTag(body, TAG.sequence))
  const isWhole = more === undefined && beyond === undefined && attributes?.tag === contextTag(0)
  if (!isWhole || readCount(version) !== 0) throw invalid("it is not a PKCS #10 request of version 1")
  const spki = Buffer.from(expectTag(key, TAG.sequence).whole)
  if (spki.length !== P256_BYTES || !spki.subarray(0, P256_PREFIX.length).equals(P256_PREFIX)) {
    throw invalid("its key must be EC P-256, as a named curve and an uncompressed point")
  }
  const digest = ECDSA_DIGESTS.get(readOid(children(expectTag(algorithm, TAG.sequence))[0]))
  if (digest === undefined) throw invalid("it must be signed by ECDSA with SHA-256, SHA-384 or SHA-512")
  // Reading the key also checks that the point lies on the curve.
  const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" })
  const claim = { key: publicKey, message: body!.whole, signature: readBitBytes(signature), digest }
  if (!isEcdsaSignature({ ...claim, form: "der" })) {
    throw invalid("its signature is not by its own key")
  }
  return { spki, keyThumbprint: keyThumbprint(spki) }
}

function decode(text: string): Buffer {
  const match = /^-----BEGIN CERTIFICATE REQUEST-----\s+([A-Za-z0-9+/=\s]+)-----END CERTIFICATE REQUEST-----\s*$/.exec(
    text,
  )
  if (match === null) throw invalid("it is not one PEM block of type CERTIFICATE REQUEST")
  const bytes = Buffer.from(match[1]!, "base64")
  if (bytes.length > MAX_BYTES) throw invalid(`it is longer than ${MAX_BYTES} bytes`)
  return bytes
}

function invalid(reason: string, cause?: unknown): Refusal {
  return new Refusal("csr-invalid", `The certificate signing request cannot be used: ${reason}.`, { cause })
}
