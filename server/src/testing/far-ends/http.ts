import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import type { Manner } from "./caught.ts"

/** A server on this machine that takes posts. */
export type PostServer = AsyncDisposable & {
  readonly url: string
  /** How it answers from now on. */
  manner: Manner
}

/** Starts one; `take` gets what came when the manner is to take it, and answers with a status and a body. */
export async function openPostServer(
  take: (request: IncomingMessage, body: Buffer) => { status: number; body?: string },
): Promise<PostServer> {
  const statuses = { later: 503, "for-good": 400, gone: 410 } as const
  const server = createServer(async (request, response) => {
    const body = Buffer.concat((await request.toArray()) as Buffer[])
    const { manner } = own
    if (manner === "silent") return
    const answer = manner === "take" ? take(request, body) : { status: statuses[manner] }
    response.writeHead(answer.status, { "content-type": "application/json" }).end(answer.body ?? "{}")
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const own: PostServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    manner: "take",
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
  return own
}
