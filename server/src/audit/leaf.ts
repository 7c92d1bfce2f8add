import { createHmac } from "node:crypto"
import { base64url, canonical, type Id, type Json, newId, Refusal, random, randomOften } from "#kernel"
import type { Draft } from "./change.ts"

/** What the log keeps of a draft, as parsed from its canonical JSON (RFC 8785). */
export type Leaf = Omit<Draft, "personal" | "deadlineSeconds"> & {
  v: 1
  id: Id<"entry">
  /** When it was written down, RFC 3339 in UTC, milliseconds. */
  at: string
  /** 128 random bits, base64url: nobody can guess a leaf from its hash. */
  salt: string
  /** Name of each personal value → base64url of HMAC-SHA256(its own salt, its canonical JSON). */
  commitments?: { [name: string]: string }
  /** When an intent's outcome is due, RFC 3339. */
  deadline?: string
}

/** A personal value with the salt of its commitment; `value` is canonical JSON. */
export type Disclosure = { name: string; salt: Buffer; value: string }

/** A draft written out, wanting only its place in the log. */
export type Written = {
  id: Id<"entry">
  event: string
  session: string | null
  at: string
  leaf: Buffer
  disclosures: Disclosure[]
  of: string | null
  deadlineSeconds: number | null
}

/** C2SP tlog-tiles: an entry of a bundle is prefixed with its length in two bytes. */
const MAX_LEAF_BYTES = 65_535

/** Writes a draft as a leaf. Throws `entry-too-large`; TypeError for a value that is not plain JSON, such as a Secret. */
export function writeLeaf(draft: Draft, nowMs: number): Written {
  const id = draft.id ?? newId("entry")
  const at = new Date(nowMs).toISOString()
  requirePlain(draft.data, "data")
  requirePlain(draft.personal, "personal")
  const disclosures = Object.entries(draft.personal ?? {}).map(([name, value]) => ({
    name,
    salt: random(32),
    value: canonical(value),
  }))
  const { event, by, agent, session, purpose, user, application, chain, action, data, of, deadlineSeconds } = draft
  const leaf: { [name: string]: Json } = { v: 1, id, event, at, salt: base64url(randomOften(16)), by }
  const optional = { agent, session, purpose, user, application, chain, action, data, of }
  for (const [name, value] of Object.entries(optional)) if (value !== undefined) leaf[name] = value
  if (deadlineSeconds !== undefined) leaf["deadline"] = new Date(nowMs + deadlineSeconds * 1000).toISOString()
  if (disclosures.length > 0) {
    leaf["commitments"] = Object.fromEntries(disclosures.map((each) => [each.name, commitment(each)]))
  }
  const bytes = Buffer.from(canonical(leaf))
  if (bytes.length > MAX_LEAF_BYTES) {
    throw new Refusal("entry-too-large", `What is to be recorded takes ${bytes.length} bytes; ${MAX_LEAF_BYTES} fit.`)
  }
  return {
    id,
    event,
    session: session ?? null,
    at,
    leaf: bytes,
    disclosures,
    of: of ?? null,
    deadlineSeconds: deadlineSeconds ?? null,
  }
}

/** A leaf of the log, parsed. */
export function readLeaf(bytes: Uint8Array): Leaf {
  return JSON.parse(Buffer.from(bytes).toString("utf8")) as Leaf
}

/** What a leaf holds instead of a personal value. */
export function commitment({ salt, value }: Pick<Disclosure, "salt" | "value">): string {
  return createHmac("sha256", salt).update(value).digest("base64url")
}

/** A Secret, a Date or a Buffer would be written as something else than it is; only plain values are recorded. */
function requirePlain(value: unknown, path: string): void {
  if (typeof value !== "object" || value === null) return
  const prototype = Object.getPrototypeOf(value) as unknown
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`${path} is a ${value.constructor.name}, which is not recorded; record a plain value`)
  }
  for (const [name, item] of Object.entries(value)) requirePlain(item, `${path}.${name}`)
}
