import { connect } from "@safeconduct/sdk"
import pg from "pg"

/** Raises a salary in a session of Alice's, who is not here: she signs for it on her phone, or it does not happen. */
export async function raise(sessionId: string, employee: string, euros: number) {
  await using safeconduct = await connect() // the agent's own identity
  const session = await safeconduct.reopen(sessionId) // what Alice delegated this morning
  const asked = { operation: "raise-salary", arguments: { employee, euros }, wait: true } // her phone shows exactly this
  await using hr = await session.lease("hr", asked) // a key that is good for it, once
  const client = new pg.Client(hr.settings)
  await client.connect()
  await client.query("update salaries set euros = $2 where employee = $1", [employee, euros])
  await client.end()
}
