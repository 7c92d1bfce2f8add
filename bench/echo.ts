/**
 * The floor of a decision: Node's own HTTPS server in the same setup, asking for a client certificate and not looking at
 * it, that reads a body as JSON and answers as much as a verdict. No route, no check, no policy, no record.
 */
import { readFileSync } from "node:fs"
import { createServer } from "node:https"
import type { AddressInfo } from "node:net"
import { createInterface } from "node:readline"
import { tell, usageNow } from "./usage.ts"

const folder = process.env["ECHO_FOLDER"]!
const pem = (name: string) => readFileSync(`${folder}/${name}.pem`, "utf8")
// As long as ours: a connection waits here while the other side of the comparison is asked.
const asking = {
  requestCert: true,
  rejectUnauthorized: false,
  minVersion: "TLSv1.3" as const,
  keepAliveTimeout: 600_000,
}
const filler = "x".repeat(Number(process.env["ECHO_BYTES"]))

const server = createServer({ key: pem("key"), cert: pem("svid"), ...asking }, (request, response) => {
  const parts: Buffer[] = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    const { session } = JSON.parse(Buffer.concat(parts).toString()) as { session: string }
    const body = JSON.stringify({ session, filler })
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body)
  })
})
server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo
  tell("serving", { url: `https://127.0.0.1:${port}` })
})
for await (const line of createInterface(process.stdin)) tell(line.split(" ")[1]!, usageNow())
process.exit()
