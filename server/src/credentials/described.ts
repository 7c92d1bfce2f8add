import { z } from "zod"
import { label } from "#agents"
import type { DescribedResource } from "#sessions"
import type { ResourcePart } from "./part.ts"

const words = z.string().trim().min(1).max(200).optional()

/** What a resource of any engine may say of itself, for people: `The shop's database`. */
export const commonResource = { description: words }

/** What an operation of any engine may say of itself. */
export const commonOperation = {
  /** For people, as it goes on from "… may": `read your orders`. */
  description: words,
  /** What a session has seen once it was allowed this: `untrusted`, `confidential`. */
  labels: z.array(label).max(16).optional(),
}

const operation = z.looseObject(commonOperation)

/** The resource and its operations in the words of whoever configured it. */
export function describeResource(part: ResourcePart): DescribedResource {
  const operations = Object.entries(part.operations).map(([name, value]) => {
    return [name, { description: operation.safeParse(value).data?.description }] as const
  })
  const { description } = z.looseObject(commonResource).safeParse(part).data ?? {}
  return { description, operations: Object.fromEntries(operations) }
}

/** What a session has seen once it was allowed the operation; empty for one that the resource does not have. */
export function labelsOf(part: ResourcePart | undefined, name: string): readonly string[] {
  if (part === undefined || !Object.hasOwn(part.operations, name)) return []
  return operation.safeParse(part.operations[name]).data?.labels ?? []
}
