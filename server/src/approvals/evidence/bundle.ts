import { z } from "zod"
import { canonical, type Id, type Json, parseJson, Refusal } from "#kernel"

/** An entry of the log with its proof, and what it only commits to. */
export type ProvenEntry = {
  /** The leaf: the very bytes that were hashed. */
  text: string
  /** Its C2SP tlog-proof. */
  receipt: string
  /** Personal values with the salts (base64url) of their commitments; those that were erased are not there. */
  disclosures: { [name: string]: { salt: string; value: Json } }
}

/**
 * Everything that proves an approval: entries, in the order of the log, and nothing else. Whatever else is known of the approval
 * stands in them, so that nothing in the bundle goes unproven.
 */
export type Bundle = { v: "safeconduct/evidence/1"; approval: Id<"approval">; entries: ProvenEntry[] }

/** Of people, policies and devices there are few; an entry is less than 64 KiB. */
const MOST_ENTRIES = 256

const bundleSchema = z.strictObject({
  v: z.literal("safeconduct/evidence/1"),
  approval: z.custom<Id<"approval">>((text) => typeof text === "string" && /^approval_[0-9a-z]{26}$/.test(text)),
  entries: z
    .array(
      z.strictObject({
        text: z.string(),
        receipt: z.string(),
        disclosures: z.record(z.string(), z.strictObject({ salt: z.string(), value: z.json() })),
      }),
    )
    .max(MOST_ENTRIES),
})

/** As it is kept in a file: canonical JSON (RFC 8785) and a newline. */
export function writeBundle(bundle: Bundle): string {
  return `${canonical(bundle as unknown as Json)}\n`
}

/** Reads a file. Only the one text that writeBundle() makes is taken: a byte that says nothing could be changed. Throws `not-verified`. */
export function readBundle(text: string): Bundle {
  let bundle: Bundle
  try {
    bundle = bundleSchema.parse(parseJson(text)) as Bundle
  } catch (cause) {
    throw new Refusal("not-verified", "This is no evidence of an approval, or not all of it.", { cause })
  }
  if (writeBundle(bundle) === text) return bundle
  throw new Refusal("not-verified", "This is not as evidence is written: canonical JSON (RFC 8785) and a newline.")
}
