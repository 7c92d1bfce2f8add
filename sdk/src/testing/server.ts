import type { RequestListener } from "node:http"
import { createServer } from "node:https"
import type { AddressInfo, Socket } from "node:net"
import type { TestCertificate } from "./certificates.ts"

/** A TLS server of a test's own, for the protocol's rules only. */
export type TestServer = AsyncDisposable & { url: string; port: number; handshakes: () => number }

/** Listens on loopback with the certificate and the rest of its chain. Asks for client certificates and judges none. */
export async function listen(
  server: TestCertificate,
  chain: TestCertificate[],
  onRequest: RequestListener,
  port = 0,
): Promise<TestServer> {
  const sockets = new Set<Socket>()
  let handshakes = 0
  const cert = [server, ...chain].map(({ pem }) => pem).join("")
  const options = {
    key: server.keyPem,
    cert,
    minVersion: "TLSv1.3",
    requestCert: true,
    rejectUnauthorized: false,
  } as const
  const listener = createServer(options, onRequest)
  listener.on("secureConnection", () => {
    handshakes += 1
  })
  listener.on("connection", (socket: Socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve))
  const address = listener.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${address.port}`,
    port: address.port,
    handshakes: () => handshakes,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

/** Answers with JSON, or with a problem when a code is given. */
export function reply(body: object, status = 200): RequestListener {
  return (_request, response) => {
    const type = status < 400 ? "application/json" : "application/problem+json"
    response.writeHead(status, { "content-type": type }).end(JSON.stringify(body))
  }
}
