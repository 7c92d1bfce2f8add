/**
 * Credentials: with which key? It owns the resources that are protected, the root account held at each, and the leases
 * made from them: a lease is one account at one resource, for one session, that dies with it and with every connection
 * that was opened with it.
 *
 * A lease is intended (recorded, nothing made) → live (handed out) → revoking → revoked or expired (the resource was
 * read back, nothing is left); stuck is a revocation that keeps failing, keeps being tried, and calls an operator.
 * Giving waits for the log; taking away waits for nothing: what it needs is in memory, and the record follows.
 *
 * It never asks whether something is allowed (policy) nor to whom it belongs (sessions); the gate does, joins intend()
 * with its own entry in one transaction, and then calls issue(). Engines (engines/) speak to one kind of resource each.
 */
import type { Migrations } from "#kernel"

export type { Approved } from "./approved.ts"
export type { Behalf, Binding } from "./behalf.ts"
export {
  type DescribedOperation,
  describeResource,
  elevations,
  labelsOf,
  operationOf,
} from "./described.ts"
export * from "./engine.ts"
export * from "./engines/index.ts"
export {
  applyPrepare,
  checkPrepared,
  type PrepareGroup,
  type PrepareSpec,
  prepareStatements,
} from "./engines/postgres/prepare.ts"
export * from "./events.ts"
export type { Intended, Intention } from "./intend.ts"
export type { Issued } from "./issue.ts"
export { hasEnded, type Lease, type LeaseFilter, type LeaseState, type Whose } from "./lease.ts"
export type { LookedUp } from "./look-up.ts"
export * from "./open.ts"
export {
  givesCredentials,
  type Limits,
  type Resource,
  type ResourcePart,
  type ResourcesPart,
  requiresApproval,
} from "./part.ts"
export { resourceProblems } from "./problems.ts"
export { parseResources, type Replaced } from "./resources.ts"
export type { Cut } from "./revoke.ts"
export type { Configured } from "./roots.ts"
export * from "./routes.ts"
export { resealCredentials } from "./sealed/reseal.ts"
export { timed } from "./timed.ts"
export type { ResourceView } from "./views.ts"

/** Tables of the room. */
export const migrations: Migrations = { room: "credentials", folder: new URL("./migrations/", import.meta.url) }
