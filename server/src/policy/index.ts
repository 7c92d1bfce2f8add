/**
 * Policy: may it? Owns the Cedar schema, the policies, and the versions that were ever in force.
 *
 * decide() answers the gate's questions, evaluate() those of other enforcement points, in their own types (vocabulary.ts,
 * entities.ts). Both, question() and explain are pure: no I/O and no clock; a question is a value, and its answer is remembered for as
 * long as the set lives. A set is made only by parse(), which refuses broken text with file, line and column. A version is
 * stored whole (purposes, resources, agents, policies; one digest); one of them is in force, and one that does not load
 * allows nothing.
 *
 * It collects no facts and compares no mandate: sessions does that, the gate brings both together. Purposes belong to
 * sessions, resources to credentials; this room keeps their text only as part of the version.
 */
import type { Migrations } from "#kernel"

export { type Changes, changeOver } from "./changes/changes.ts"
export type { ProposedChange } from "./changes/store.ts"
export { type Ask, type Decision, decide, deniedBy } from "./decide.ts"
export { type Document, diff } from "./diff.ts"
export { idsOf } from "./entities.ts"
export { type AccessQuestion, evaluate, isOwn, ownAction, type Thing } from "./evaluate.ts"
export { events } from "./events.ts"
export { openPolicy, type Policy, type PolicyParts, readVersion } from "./in-force.ts"
export { parse } from "./parse.ts"
export { type AskRung, isAtLeast, type Policy as CedarPolicy, type PolicyFile, type PolicySet } from "./policy-set.ts"
export {
  type ActionType,
  type Asked,
  type AskedUser,
  type Asking,
  type Elevated,
  type Facts,
  type Question,
  question,
  type SinkFinding,
} from "./question.ts"
export { routes } from "./routes.ts"
export type { Version } from "./store.ts"
export { nameOfAction, typeNamed } from "./vocabulary.ts"

/** The room's schema. */
export const migrations: Migrations = { room: "policy", folder: new URL("./migrations/", import.meta.url) }
