import { connect } from "@safeconduct/sdk"
import pg from "pg"

await using safeconduct = await connect() // an identity of its own: no API key, no service account
await using session = await safeconduct.open({ purpose: "answer-questions" })
await using kb = await session.lease("kb", { operation: "read" }) // decided, recorded, then made: just in time

const client = new pg.Client(kb.settings)
await client.connect()
const { rows } = await client.query("select answer from articles where question ilike '%hours%'")
console.log(rows[0].answer)
await client.end() // closing brace: role dropped, connections cut, session over, all of it in a signed log
