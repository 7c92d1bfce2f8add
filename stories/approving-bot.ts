// The bot of docs/tutorials/approving-on-the-phone.md, for the compiler; what is played is the document itself.
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { connect, DeniedError } from "@safeconduct/sdk"
import pg from "pg"

const redirectUri = "http://127.0.0.1:7500/callback"
const safeconduct = await connect()
const asked = await safeconduct.ask({ purpose: "payroll", redirectUri })
const server = createServer().listen(7500, "127.0.0.1")
console.log("Open", asked.url)
const [request, response] = (await once(server, "request")) as [IncomingMessage, ServerResponse]
response.end("Thank you. You can close this.")
const session = await asked.redeem(new URL(request.url!, redirectUri).href)
server.closeAllConnections()
server.close()

async function raise(employee: string, euros: number, justification: string) {
  const onPending = ({ id }: { id: string }) => console.log("waiting for a person:", id)
  const how = { operation: "raise", arguments: { employee, euros }, wait: true, justification, onPending }
  await using lease = await session.lease("hr", how)
  const client = new pg.Client(lease.settings)
  await client.connect()
  const set = (amount: number) =>
    client.query("update salaries set euros = $2 where employee = $1", [employee, amount]).then(
      () => console.log(`${employee} earns ${amount}`),
      (error) => console.log("the database says:", error.message),
    )
  await set(euros * 10)
  await set(euros)
  await set(euros)
  await client.end()
}

await raise("dana", 45000, "She asked for it at the last review.")
await raise("emil", 90000, "Trust me.").catch((error) => {
  if (!(error instanceof DeniedError)) throw error
  console.log("denied:", error.message)
})
await safeconduct.close()
