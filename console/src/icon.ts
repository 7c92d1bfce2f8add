import { crc32, deflateSync } from "node:zlib"

const GREEN = [0x17, 0x63, 0x4a] as const
const WHITE = [0xff, 0xff, 0xff] as const

/** A white tick on green, edge to edge, so that a phone may cut any shape out of it (Application Manifest, maskable). */
export const iconSvg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><path fill="#17634a" d="M0 0h64v64H0z"/><path fill="none" stroke="#fff" stroke-width="6" stroke-linecap="round" stroke-linejoin="round" d="M20 33l9 9 16-19"/></svg>`

/** The same as PNG (RFC 2083) of so many pixels in square, for phones that take no SVG. */
export function iconPng(size: number): Uint8Array<ArrayBuffer> {
  const stride = 1 + size * 3
  const rows = Buffer.alloc(stride * size)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const share = tickAt(((x + 0.5) * 64) / size, ((y + 0.5) * 64) / size, 64 / size)
      const color = GREEN.map((from, at) => Math.round(from + (WHITE[at]! - from) * share))
      rows.set(color, y * stride + 1 + x * 3)
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  // 8 bits a channel, red green blue.
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return new Uint8Array(
    Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]),
  )
}

/** How much of the point is the tick's: its distance from either stroke, with an edge one pixel wide. */
function tickAt(x: number, y: number, pixel: number): number {
  const distance = Math.min(toStroke([x, y], [20, 33], [29, 42]), toStroke([x, y], [29, 42], [45, 23]))
  return Math.min(1, Math.max(0, (3 - distance) / pixel + 0.5))
}

type Point = readonly [number, number]

function toStroke([x, y]: Point, [ax, ay]: Point, [bx, by]: Point): number {
  const [dx, dy] = [bx - ax, by - ay]
  const along = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)))
  return Math.hypot(x - ax - along * dx, y - ay - along * dy)
}

function chunk(type: string, content: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), content])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(content.length, 0)
  framed.set(body, 4)
  framed.writeUInt32BE(crc32(body), body.length + 4)
  return framed
}
