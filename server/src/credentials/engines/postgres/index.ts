import type { EngineKind } from "../../engine.ts"
import { check } from "./check.ts"
import { connect } from "./connect.ts"
import { issue } from "./issue.ts"
import { activity, list, readBack, tidy } from "./look.ts"
import { lookUp } from "./look-up.ts"
import { type PostgresPart, parsePostgres, postgresSchema } from "./part.ts"
import { renew } from "./renew.ts"
import { revoke } from "./revoke.ts"
import { rotateRoot } from "./root.ts"

/** PostgreSQL 15 and newer: a lease is a login role that inherits a group role for as long as it lives. */
export const postgres: EngineKind = {
  name: "postgres",
  schema: postgresSchema,
  parse: parsePostgres,
  open({ part }, root, log) {
    const connections = connect(part as PostgresPart, root, log)
    return {
      issue: (order) => issue(connections, order),
      renew: (account, expiresAt) => renew(connections, account, expiresAt),
      revoke: (account, onCut) => revoke(connections, account, onCut),
      readBack: (accounts) => readBack(connections, accounts),
      list: (deployment) => list(connections, deployment),
      activity: (accounts) => activity(connections, accounts),
      lookUp: (credential, asked) => lookUp(connections.part, credential, asked),
      tidy: () => tidy(connections),
      check: (now) => check(connections, now as PostgresPart),
      rotateRoot: (next) => rotateRoot(connections, next),
      [Symbol.asyncDispose]: () => connections[Symbol.asyncDispose](),
    }
  },
}
