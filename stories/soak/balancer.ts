import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"

/** One address in front of several servers, as a load balancer is: each connection goes to the next that takes it. */
export type Balancer = AsyncDisposable & {
  url: string
  /** Where connections go from now on. */
  to(urls: readonly string[]): void
}

/** Listens on a port of this machine, and passes bytes on. A connection that nobody takes is closed. */
export async function openBalancer(): Promise<Balancer> {
  const sockets = new Set<Socket>()
  let targets: URL[] = []
  let turn = 0
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on("error", () => undefined)
    socket.on("close", () => sockets.delete(socket))
    return socket
  }
  const pass = (near: Socket, left: number) => {
    const target = targets[turn++ % targets.length]
    if (left === 0 || target === undefined) return near.destroy()
    const far = keep(connect(Number(target.port), target.hostname))
    let isOpen = false
    far.once("connect", () => {
      isOpen = true
      near.pipe(far)
      far.pipe(near)
    })
    far.once("close", () => (isOpen ? near.destroy() : pass(near, left - 1)))
    near.once("close", () => far.destroy())
    return near
  }
  const server = createServer((near) => pass(keep(near), targets.length))
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}`,
    to(urls) {
      targets = urls.map((url) => new URL(url))
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
