// The bot of docs/tutorials/acting-for-alice.md, for the compiler; what is played is the document itself.
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { connect } from "@safeconduct/sdk"
import pg from "pg"

const redirectUri = "http://127.0.0.1:7500/callback"
const safeconduct = await connect()
const asked = await safeconduct.ask({ purpose: "order-help", redirectUri })
const server = createServer().listen(7500, "127.0.0.1")
console.log("Open", asked.url)

const [request, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse]
response.end("Thank you. Look at the terminal.")
const session = await asked.redeem(new URL(request.url!, redirectUri).href)
console.log("I act in", session.id)

const lease = await session.lease("shop", { operation: "read" })
const client = new pg.Client(lease.settings)
client.on("error", () => undefined)
await client.connect()
const { rows } = await client.query("select id, item from orders order by id")
console.log("the orders of the shop:", JSON.stringify(rows))

await client.query("select pg_sleep(600)").catch((error) => console.log("the database says:", error.message))
server.closeAllConnections()
server.close()
await safeconduct.close()
