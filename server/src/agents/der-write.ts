import { contextTag, TAG } from "./der.ts"

/** One value of that tag around the parts. */
export function der(tag: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content])
  const hex = content.length.toString(16)
  const length = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex")
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, content])
}

/** A SEQUENCE of the parts. */
export const sequence = (...parts: Uint8Array[]): Buffer => der(TAG.sequence, ...parts)
/** A SET of the parts, in the order given: DER wants it sorted, and one part always is. */
export const set = (...parts: Uint8Array[]): Buffer => der(TAG.set, ...parts)
/** An OCTET STRING. */
export const octets = (bytes: Uint8Array): Buffer => der(TAG.octetString, bytes)
/** A UTF8String. */
export const utf8 = (text: string): Buffer => der(TAG.utf8, Buffer.from(text))
/** A BOOLEAN. */
export const boolean = (value: boolean): Buffer => der(TAG.boolean, Buffer.of(value ? 0xff : 0))
/** A BIT STRING of whole bytes: a signature, a public key. */
export const bitBytes = (bytes: Uint8Array): Buffer => der(TAG.bitString, Buffer.of(0), bytes)
/** A context-specific value; primitive when the inner tag is replaced, constructed when it is wrapped. */
export const context = (number: number, form: "constructed" | "primitive", ...parts: Uint8Array[]): Buffer =>
  der(contextTag(number, form), ...parts)

/** An integer that is not negative, from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0)
  const shortest = start === -1 ? Buffer.of(0) : bytes.subarray(start)
  return der(TAG.integer, ...(shortest[0]! >= 0x80 ? [Buffer.of(0)] : []), shortest)
}

/** An object identifier from its text. */
export function oid(text: string): Buffer {
  const [top, second, ...rest] = text.split(".").map(Number)
  const bytes = [top! * 40 + second!, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80)
    return groups
  })
  return der(TAG.oid, Buffer.from(bytes))
}

/** A named bit list with these bits set, in the shortest form (X.690 §11.2.2). */
export function namedBits(...bits: number[]): Buffer {
  if (bits.length === 0) return der(TAG.bitString, Buffer.of(0))
  const highest = Math.max(...bits)
  const bytes = Buffer.alloc((highest >> 3) + 1)
  for (const bit of bits) bytes[bit >> 3]! |= 0x80 >> (bit & 7)
  return der(TAG.bitString, Buffer.of(7 - (highest & 7)), bytes)
}

/** UTCTime until 2049 and GeneralizedTime after (RFC 5280 §4.1.2.5); milliseconds are cut off. */
export function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, "")
  return Number(text.slice(0, 4)) < 2050
    ? der(TAG.utcTime, Buffer.from(text.slice(2)))
    : der(TAG.generalizedTime, Buffer.from(text))
}

/** Rows of a PEM block (RFC 7468). */
export function pem(label: "CERTIFICATE" | "CERTIFICATE REQUEST", bytes: Uint8Array): string {
  const rows =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...rows, `-----END ${label}-----`, ""].join("\n")
}
