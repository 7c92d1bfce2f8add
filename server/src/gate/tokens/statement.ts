import type { Change } from "#audit"
import { Refusal } from "#kernel"
import { type Statement, type StatementFor, usingUp } from "#sessions"
import type { Rooms } from "../rooms.ts"

/**
 * What an application says of its user's request, and using it up, which belongs into the transaction that it is good for.
 * Throws `statement-invalid`, also where the application's key is an agent's: an agent may not write what its user asked for.
 */
export async function useStatement(
  { sessions, agents }: Pick<Rooms, "sessions" | "agents">,
  text: string,
  about: StatementFor,
): Promise<{ statement: Statement; using: Change<void> }> {
  const statement = sessions.readStatement(text, about)
  const { application, jti, expiresAtMs, keyThumbprint } = statement
  if (await agents.isEnrolled({ keyThumbprint })) {
    const message = `The key of application ${application.name} is enrolled as an agent's. Give the application one of its own.`
    throw new Refusal("statement-invalid", message)
  }
  const using = usingUp({ kind: "statement", maker: application.name, jti, expiresAtMs }, () => {
    return new Refusal(
      "statement-invalid",
      "This statement was used before. The application makes one for each request.",
    )
  })
  return { statement, using }
}
