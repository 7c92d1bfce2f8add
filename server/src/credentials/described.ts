import { z } from "zod"
import { label } from "#agents"
import type { DescribedResource } from "#sessions"
import type { ResourcePart } from "./part.ts"

const words = z.string().trim().min(1).max(200).optional()

/** What a resource of any engine may say of itself, for people: `The shop's database`. */
export const commonResource = { description: words }

/** What an operation can reach that is worth more than the rest: an elevated one never falls below telling the person. */
export const elevations = ["money", "people", "permissions", "publication"] as const

/** A language as BCP 47 writes it: `en`, `pt-BR`. */
const locale = z.string().regex(/^[a-z]{2,3}(-[A-Z]{2})?$/, 'a language, such as "en" or "pt-BR"')

/** What a card says of the action, in one language; `{employee}` stands for that argument, as the action has it. */
const sentence = z
  .string()
  .trim()
  .min(1)
  .max(200)
  .regex(
    /^(?:[^{}\p{Cc}]|\{[A-Za-z][A-Za-z0-9_.-]{0,127}\})+$/u,
    "plain text; {name} stands for the argument of that name",
  )

/** What an operation of any engine may say of itself. */
export const commonOperation = {
  /** For people, as it goes on from "… may": `read your orders`. */
  description: words,
  /** What a session has seen once it was allowed this: `untrusted`, `confidential`. */
  labels: z.array(label).max(16).optional(),
  /** What it reaches. The person hears of it at the least, and policy may ask for more. */
  elevated: z.enum(elevations).optional(),
  /** Nobody can take it back. */
  irreversible: z.boolean().optional(),
  /** What the person is shown who is asked to approve it, by language. */
  card: z.record(locale, sentence).optional(),
}

const operation = z.looseObject(commonOperation)

/** An operation as whoever configured it describes it, with what is not said filled in. */
export type DescribedOperation = {
  description: string | null
  labels: readonly string[]
  /** Empty when it is not. */
  elevated: (typeof elevations)[number] | ""
  irreversible: boolean
  card: { readonly [locale: string]: string }
}

/** Null for an operation that the resource does not have. */
export function operationOf(part: ResourcePart | undefined, name: string): DescribedOperation | null {
  if (part === undefined || !Object.hasOwn(part.operations, name)) return null
  const said = operation.safeParse(part.operations[name]).data ?? {}
  const { description = null, labels = [], elevated = "", irreversible = false, card = {} } = said
  return { description, labels, elevated, irreversible, card }
}

/** The resource and its operations in the words of whoever configured it. */
export function describeResource(part: ResourcePart): DescribedResource {
  const operations = Object.keys(part.operations).map((name) => {
    return [name, { description: operationOf(part, name)?.description ?? undefined }] as const
  })
  const { description } = z.looseObject(commonResource).safeParse(part).data ?? {}
  return { description, operations: Object.fromEntries(operations) }
}

/** What a session has seen once it was allowed the operation; empty for one that the resource does not have. */
export function labelsOf(part: ResourcePart | undefined, name: string): readonly string[] {
  return operationOf(part, name)?.labels ?? []
}
