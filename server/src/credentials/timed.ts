import { countCut, traced } from "#kernel"
import type { EngineKind } from "./engine.ts"

/** The same kind of resource, with what it is asked for timed. The spans name the resource and nothing else. */
export function timed(kind: EngineKind): EngineKind {
  return {
    ...kind,
    open(resource, root, log) {
      const engine = kind.open(resource, root, log)
      const facts = { "safeconduct.resource": resource.name }
      return {
        ...engine,
        issue: (order) => traced("engine.issue", facts, () => engine.issue(order)),
        lookUp: (credential, asked) => traced("engine.look-up", facts, () => engine.lookUp(credential, asked)),
        renew: (account, expiresAt) => traced("engine.renew", facts, () => engine.renew(account, expiresAt)),
        revoke: (account, onCut) =>
          traced("engine.revoke", facts, async () => {
            const beganMs = performance.now()
            return await engine.revoke(account, () => {
              countCut((performance.now() - beganMs) / 1_000)
              onCut?.()
            })
          }),
      }
    },
  }
}
