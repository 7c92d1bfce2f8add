import type { Account } from "../../engine.ts"
import type { Connections } from "./connect.ts"
import { asMakerOf } from "./makers.ts"
import { literal, name } from "./quote.ts"

/** Moves VALID UNTIL, which PostgreSQL looks at when somebody logs in with a password; open connections do not notice. */
export async function renew(connections: Connections, account: Account, expiresAt: Date): Promise<void> {
  await connections.give.run(
    "renew the role",
    `${asMakerOf(account.name)}; alter role ${name(account.name)} valid until ${literal(expiresAt.toISOString())}`,
  )
}
