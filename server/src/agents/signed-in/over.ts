import { Refusal } from "#kernel"

/** For an operator whose sign-in has ended: nothing but another one helps. */
export function signInOver(untilMs: number): Refusal {
  const when = untilMs === 0 ? "has ended" : `ended at ${new Date(untilMs).toISOString()}`
  return new Refusal("svid-expired", `This sign-in ${when}. Sign in again: safeconduct login --provider <name>.`)
}
