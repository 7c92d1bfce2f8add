/**
 * The bot of the demo: bot.ts, with a watch in its hand and one thing that a bot should never do. It keeps its database
 * connection after the session is over, to show what the database says then. One JSON line per step on standard output.
 */
import { connect } from "@safeconduct/sdk"
import pg from "pg"
import { lookUp } from "./bot.ts"

let began = performance.now()
/** Tells the demo what was done since the last step. */
function tell(step: string, facts: Record<string, unknown>): void {
  const now = performance.now()
  console.log(JSON.stringify({ step, ms: now - began, ...facts }))
  began = performance.now()
}

await using safeconduct = await connect()
tell("identity", { spiffeId: safeconduct.identity.spiffeId })

let kept: pg.Client
/** What the database said last on the connection, whoever listened. */
let parting: { code?: string; message: string } | undefined
{
  await using session = await safeconduct.open({ purpose: "answer-questions" })
  tell("session", { session: session.id, hardEndAt: session.hardEndAt })
  await using kb = await session.lease("kb", { operation: "read" })
  tell("lease", { lease: kb.id, user: kb.settings.user })
  kept = new pg.Client(kb.settings)
  kept.on("error", (error: Error & { code?: string }) => {
    parting ??= error
  })
  await kept.connect()
  tell("connected", {})
  const answer = await lookUp(kept, "What are your business hours?")
  tell("answer", { answer })
  const refused = await kept.query("select * from staff.salaries").catch((error: Error & { code?: string }) => error)
  tell("beyond", { code: "code" in refused ? refused.code : null, said: "message" in refused ? refused.message : null })
}
tell("ended", {})
const said = await kept.query("select 1").then(
  () => null,
  (error: Error & { code?: string }) => ({
    code: (parting ?? error).code ?? null,
    message: (parting ?? error).message,
  }),
)
tell("afterwards", { said })
