/** DER (X.690) encoding of the few shapes that a certificate request is made of. Nothing here parses. */

/** One value: tag, definite length, contents. */
export function tlv(tag: number, ...contents: Uint8Array[]): Buffer {
  const body = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag, ...lengthOf(body.byteLength)]), body])
}

/** SEQUENCE of encoded values. */
export function sequence(...contents: Uint8Array[]): Buffer {
  return tlv(0x30, ...contents)
}

/** INTEGER that is not negative, from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = first === -1 ? Uint8Array.of(0) : bytes.subarray(first)
  return tlv(0x02, digits[0]! >= 0x80 ? Uint8Array.of(0) : Uint8Array.of(), digits)
}

/** OBJECT IDENTIFIER from its dotted form. */
export function oid(dotted: string): Buffer {
  const [first, second, ...rest] = dotted.split(".").map(Number)
  return tlv(0x06, Uint8Array.from([first! * 40 + second!, ...rest.flatMap(base128)]))
}

/** BIT STRING of whole bytes. */
export function bitString(bytes: Uint8Array): Buffer {
  return tlv(0x03, Uint8Array.of(0), bytes)
}

/** DER as PEM (RFC 7468) under the label. */
export function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n")
}

function lengthOf(byteCount: number): number[] {
  if (byteCount < 0x80) return [byteCount]
  const bytes: number[] = []
  for (let rest = byteCount; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff)
  return [0x80 | bytes.length, ...bytes]
}

function base128(value: number): number[] {
  const bytes = [value & 0x7f]
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80)
  return bytes
}
