/**
 * Gate: the one door. It leads every conversation between rooms that ends in an effect: opening, renewing, handing on
 * and ending a session, an action and its outcome, a lease, stopping an agent, putting a configuration in force.
 *
 * `admit` asks the questions in order and commits the answer before anything acts; `act` then makes the credential;
 * `complete` takes the outcome. `askPolicy` answers other enforcement points, and `rehearse` says what would be decided;
 * neither releases anything. It owns no table and keeps nothing: what it needs it asks the rooms for, and what happened it
 * writes through audit. Enforcement points translate and call; they never decide. Wire formats are api's.
 */
export * from "./act.ts"
export * from "./action.ts"
export * from "./admit.ts"
export * from "./apply.ts"
export * from "./approve/decide.ts"
export { startAsking } from "./approve/ways.ts"
export { writtenEvaluationSchema } from "./authzen.ts"
export { makingOperators } from "./change.ts"
export { startPings } from "./ciba/pings.ts"
export { setCookie } from "./consent/cookies.ts"
export { problemPage } from "./consent/pages/problem.ts"
export { type CodeForm, redeemCode } from "./consent/redeem.ts"
export { signedInWith } from "./consent/visit.ts"
export * from "./delegate.ts"
export * from "./end.ts"
export { events } from "./events.ts"
export type { Effect } from "./intent.ts"
export * from "./key-routes.ts"
export * from "./keys.ts"
export * from "./lease.ts"
export * from "./open.ts"
export { type Command, createOwed, type Owed, startEntering } from "./owed.ts"
export * from "./rehearse.ts"
export type { Rooms } from "./rooms.ts"
export { routes } from "./routes.ts"
export * from "./stop.ts"
export * from "./sweep.ts"
