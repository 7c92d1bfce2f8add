import { readFileSync } from "node:fs"

/** Vectors that all SDKs run, from contract/vectors/. */
export function vectors<Shape>(name: "merkle" | "merkle-probes" | "tiles" | "notes" | "receipts"): Shape {
  const url = new URL(`../../../contract/vectors/tlog-${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(url, "utf8")) as Shape
}

/** Bytes of hexadecimal. */
export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "hex"))
}
