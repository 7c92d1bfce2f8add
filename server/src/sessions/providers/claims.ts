import type { Grounds } from "#agents"
import type { Json } from "#kernel"
import type { ProviderDefinition, ProvidersPart } from "./part.ts"
import type { Payload } from "./token.ts"

/** A role of an operator. */
export type Role = NonNullable<ProviderDefinition["roles"]>["values"][string][number]

const MAX_VALUES = 256
const MAX_LENGTH = 500

/** The claims that are mapped, by our names, each a list of texts. One that is not there, or is no text, is left out. */
export function mapClaims({ claims }: ProviderDefinition, said: Payload): { [name: string]: string[] } {
  const mapped: { [name: string]: string[] } = {}
  for (const [ours, theirs] of Object.entries(claims)) {
    const values = valuesOf(said, theirs)
    if (values !== null) mapped[ours] = values
  }
  return mapped
}

/** Those values of the claim with roles that the configuration knows; none where none are mapped. */
export function roleValues({ roles }: ProviderDefinition, said: Payload): string[] {
  if (roles === undefined) return []
  const known = (valuesOf(said, roles.claim) ?? []).filter((value) => Object.hasOwn(roles.values, value))
  return [...new Set(known)].sort()
}

/** The roles of an operator whose claim has these values. */
export function mapRoles({ roles }: ProviderDefinition, values: readonly string[]): Role[] {
  const held = values.flatMap((value) => (Object.hasOwn(roles?.values ?? {}, value) ? roles!.values[value]! : []))
  return [...new Set(held)].sort()
}

/**
 * What grounds are worth by a configuration, perhaps a later one: nothing when the provider of that name is another by now, or
 * reads roles from another claim.
 */
export function rolesFor(providers: ProvidersPart, { provider, issuer, claim, values }: Grounds): Role[] {
  const definition = Object.hasOwn(providers, provider) ? providers[provider]! : null
  if (definition?.issuer !== issuer || definition.roles?.claim !== claim) return []
  return mapRoles(definition, values)
}

/** True when a claim that is mapped is not there: another place may have it. */
export function lacksClaims({ claims, roles }: ProviderDefinition, said: Payload): boolean {
  const wanted = [...Object.values(claims), ...(roles === undefined ? [] : [roles.claim])]
  return wanted.some((theirs) => find(said, theirs) === undefined)
}

/** A list of texts, or null where there is none. A list with anything else in it is none: half of it could mean another thing. */
export function valuesOf(said: Payload, claim: string): string[] | null {
  const value = find(said, claim)
  const list = Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]
  if (list.length === 0 && !Array.isArray(value)) return null
  const texts = list.map((each) => (isExact(each) ? String(each) : each))
  const isPlain = texts.every((each) => typeof each === "string" && each.length <= MAX_LENGTH && isWritable(each))
  return isPlain && texts.length <= MAX_VALUES ? (texts as string[]) : null
}

/** A number beyond those that a parser keeps apart could be another one's as well. */
function isExact(value: Json): value is number | boolean {
  return typeof value === "boolean" || (typeof value === "number" && Math.abs(value) <= Number.MAX_SAFE_INTEGER)
}

/** PostgreSQL, where claims come to rest, has no text with a NUL in it, and none that is not Unicode. */
function isWritable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed()
}

/** A claim of that name; else, where the name has dots, what lies at that path, as in `realm_access.roles`. */
function find(said: Payload, name: string): Json | undefined {
  if (Object.hasOwn(said, name)) return said[name]
  let at: Json | undefined = said as Json
  for (const part of name.split(".")) {
    if (typeof at !== "object" || at === null || Array.isArray(at) || !Object.hasOwn(at, part)) return undefined
    at = at[part]
  }
  return at
}
