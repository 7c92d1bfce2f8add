import { z } from "zod"
import { base64url, digest, type Json, newId, randomOften } from "#kernel"

/** What an agent asks to do. */
export type Action = {
  type: "tool" | "sql" | "http" | "credential" | "delegate"
  /** Name of the resource it happens to. */
  resource: string
  /** What happens there, in the resource's own words: read, write, a tool's name. */
  operation: string
  arguments: { [name: string]: Json }
}

// As details may name them (sessions): what no configuration can hold is not recorded for good, it may be somebody's name.
const resource = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/, "must be the name of a resource")
const operation = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_./-]{0,199}$/, "must be the name of an operation")

/** An action as it arrives; unknown fields are refused. */
export const actionSchema = z.strictObject({
  type: z.enum(["tool", "sql", "http", "credential", "delegate"]),
  resource,
  operation,
  arguments: z.record(z.string().max(200), z.json()).default({}),
})

/** An action under a name, with the digest that entries, approvals and leases refer to, and the random bits in that. */
export type NamedAction = Action & { id: string; digest: string; salt: string }

/**
 * Names an action: its digest is SHA-256 over its canonical JSON (RFC 8785) with 128 random bits, so that an entry that
 * shows the digest does not let anybody guess the arguments. Under a name that was given before, the same action has the same digest.
 */
export function nameAction(action: Action, given?: { id: string; salt: string }): NamedAction {
  const { id, salt } = given ?? { id: newId("action"), salt: base64url(randomOften(16)) }
  const { type, resource, operation, arguments: values } = action
  const said = { type, resource, operation, arguments: values }
  return { ...said, id, salt, digest: base64url(digest({ ...said, salt })) }
}

/** What an entry says of an action: never its arguments. */
export function actionReference({ id, digest, type, resource, operation }: NamedAction) {
  return { id, digest, type, resource, operation }
}
