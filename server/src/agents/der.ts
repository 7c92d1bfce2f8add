/**
 * ASN.1 DER (X.690), as much as certificates need, in the strict form only: definite, shortest lengths, low tags, nothing
 * left over. A certificate that two parsers could read differently is refused here, before anybody judges it.
 */

/** One value: its tag byte, what is inside, and the bytes of the whole. */
export type Der = { tag: number; content: Buffer; whole: Buffer }

/** Bytes that are not DER, or not what was expected there. */
export class DerError extends Error {}

/** Tag bytes: class, constructed bit and number in one. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** Tag byte of a context-specific value; constructed unless told. */
export function contextTag(number: number, form: "constructed" | "primitive" = "constructed"): number {
  return (form === "constructed" ? 0xa0 : 0x80) | number
}

/** Reads exactly one value, of that tag if one is given. */
export function readDer(bytes: Uint8Array, tag?: number): Der {
  const [value, ...more] = readAll(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  if (value === undefined || more.length > 0) throw new DerError("expected exactly one value")
  return expectTag(value, tag)
}

/** The values inside a constructed one. */
export function children(value: Der): Der[] {
  if ((value.tag & 0x20) === 0) throw new DerError("a primitive value has nothing inside")
  return readAll(value.content)
}

/** The value, when it is there and has that tag. */
export function expectTag(value: Der | undefined, tag: number | undefined): Der {
  if (value === undefined) throw new DerError("a value is missing")
  if (tag !== undefined && value.tag !== tag) throw new DerError(`tag ${value.tag} stands where ${tag} must`)
  return value
}

function readAll(bytes: Buffer): Der[] {
  const values: Der[] = []
  for (let at = 0; at < bytes.length; ) {
    const { headerBytes, contentBytes } = readHeader(bytes.subarray(at))
    const end = at + headerBytes + contentBytes
    if (end > bytes.length) throw new DerError("a value is cut short")
    values.push({
      tag: bytes[at]!,
      content: bytes.subarray(at + headerBytes, end),
      whole: bytes.subarray(at, end),
    })
    at = end
  }
  return values
}

function readHeader(bytes: Buffer): { headerBytes: number; contentBytes: number } {
  const [tag, first] = bytes
  if (tag === undefined || first === undefined) throw new DerError("a header is cut short")
  if ((tag & 0x1f) === 0x1f) throw new DerError("a tag above 30")
  if (first < 0x80) return { headerBytes: 2, contentBytes: first }
  const count = first & 0x7f
  if (count === 0 || count > 3) throw new DerError("an indefinite or enormous length")
  if (bytes.length < 2 + count) throw new DerError("a length is cut short")
  const contentBytes = bytes.readUIntBE(2, count)
  if (contentBytes < 0x80 || bytes[2] === 0) throw new DerError("a length that is not the shortest")
  return { headerBytes: 2 + count, contentBytes }
}

/** Text of an object identifier, such as 2.5.29.17. */
export function readOid(value: Der | undefined): string {
  const { content } = expectTag(value, TAG.oid)
  const arcs: bigint[] = []
  let arc = 0n
  let isFirst = true
  for (const byte of content) {
    if (isFirst && byte === 0x80) throw new DerError("an identifier's arc is padded")
    arc = (arc << 7n) | BigInt(byte & 0x7f)
    isFirst = (byte & 0x80) === 0
    if (!isFirst) continue
    arcs.push(arc)
    arc = 0n
  }
  const [head, ...rest] = arcs
  if (head === undefined || !isFirst) throw new DerError("an identifier is cut short")
  const top = head < 80n ? head / 40n : 2n
  return [top, head - top * 40n, ...rest].join(".")
}

/** True or false; in DER only 00 and FF are either. */
export function readBoolean(value: Der | undefined): boolean {
  const { content } = expectTag(value, TAG.boolean)
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError("a boolean is neither")
  return content[0] === 0xff
}

/** Content bytes of an integer, checked to be the shortest form. */
export function readInteger(value: Der | undefined): Buffer {
  const { content } = expectTag(value, TAG.integer)
  const [first, second] = content
  if (first === undefined) throw new DerError("an integer without content")
  const isPadded = second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
  if (isPadded) throw new DerError("an integer that is not the shortest")
  return content
}

/** A small integer that is not negative. */
export function readCount(value: Der | undefined): number {
  const bytes = readInteger(value)
  if (bytes.length > 4 || bytes[0]! >= 0x80) throw new DerError("a count out of bounds")
  return bytes.readUIntBE(0, bytes.length)
}

/** Numbers of the bits that are set, for named bit lists (X.690 §11.2.2: no trailing zero bits). */
export function readNamedBits(value: Der | undefined): Set<number> {
  const { content } = expectTag(value, TAG.bitString)
  const unused = content[0]
  const bits = content.subarray(1)
  if (unused === undefined || unused > 7 || (bits.length === 0 && unused !== 0))
    throw new DerError("a bit list is broken")
  if (bits.length > 0 && ((bits.at(-1)! >> unused) & 1) === 0) throw new DerError("a bit list ends in a zero")
  if (bits.length > 0 && (bits.at(-1)! & ((1 << unused) - 1)) !== 0) throw new DerError("unused bits are set")
  const set = new Set<number>()
  for (let bit = 0; bit < bits.length * 8; bit++) if ((bits[bit >> 3]! << (bit & 7)) & 0x80) set.add(bit)
  return set
}

/** Bytes of a bit string that is whole bytes: a signature, a public key. */
export function readBitBytes(value: Der | undefined): Buffer {
  const { content } = expectTag(value, TAG.bitString)
  if (content[0] !== 0) throw new DerError("a bit string that is not whole bytes")
  return content.subarray(1)
}

/** Milliseconds since the Unix epoch of a UTCTime or GeneralizedTime in RFC 5280 §4.1.2.5's only forms. */
export function readTime(value: Der | undefined): number {
  const { tag, content } = expectTag(value, undefined)
  const text = content.toString("latin1")
  if (tag === TAG.utcTime && /^\d{12}Z$/.test(text)) {
    return parseTime(`${Number(text.slice(0, 2)) < 50 ? "20" : "19"}${text}`)
  }
  if (tag === TAG.generalizedTime && /^\d{14}Z$/.test(text)) return parseTime(text)
  throw new DerError("a time in no form of RFC 5280")
}

function parseTime(text: string): number {
  const iso = text.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6.000Z")
  const ms = Date.parse(iso)
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso) throw new DerError("a time that does not exist")
  return ms
}
