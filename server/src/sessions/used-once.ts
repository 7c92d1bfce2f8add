import type { Change } from "#audit"
import type { Refusal } from "#kernel"
import { spendAssertion } from "./store.ts"

/** Something that is good once, whichever server it comes to: by the one who made it, and the name that they gave it. */
export type UsedOnce = {
  kind: "statement" | "subject-token" | "client-assertion" | "logout-token" | "backchannel-request" | "access-request"
  maker: string
  jti: string
  /** When it would be refused anyway. */
  expiresAtMs: number
}

/** Uses it up, in the transaction that it is good for: of many at once one succeeds, the others throw the refusal. */
export function usingUp({ kind, maker, jti, expiresAtMs }: UsedOnce, refusal: () => Refusal): Change<void> {
  return {
    async work(tx) {
      // No key's thumbprint has a slash, so that nothing here is an agent's assertion.
      const jkt = `${kind}/${JSON.stringify([maker])}`
      if (!(await spendAssertion(tx, { jkt, jti, expiresAtMs }))) throw refusal()
    },
    entries: () => [],
  }
}
