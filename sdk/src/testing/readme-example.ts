import { connect } from "@safeconduct/sdk"
import pg from "pg"

await using safeconduct = await connect()
await using session = await safeconduct.open({ purpose: "answer-questions" })
await using db = await session.lease("kb", { operation: "read" })

const client = new pg.Client(db.settings)
await client.connect()
const { rows } = await client.query("select answer from faq where question = 'opening hours'")
console.log(rows[0].answer)
await client.end()
