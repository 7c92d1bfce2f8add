import { connect as connectPlain, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"

/** One connection that has one request under way at a time. It reads no more of an answer than it must. */
export type Client = { ask(request: Buffer | string): Promise<Answer> }

/** Head and body as they came. */
export type Answer = { status: number; text: string }

/**
 * Connects over TLS 1.3 with a client certificate, or plainly where the URL says http; and again when it is asked after
 * the other side closed the connection for being idle, as it does while something else is measured.
 */
export async function openClient(url: string, identity: { key: string; cert: string; ca: string }): Promise<Client> {
  let waiting: PromiseWithResolvers<Answer> | undefined
  let text = ""
  const open = async () => {
    const opened = await connected(url, identity)
    text = ""
    opened.on("data", (part: Buffer) => {
      text += part.toString("latin1")
      if (!isWhole(text)) return
      const answer = { status: Number(text.slice(9, 12)), text }
      text = ""
      waiting?.resolve(answer)
    })
    opened.on("error", (error) => waiting?.reject(error))
    opened.on("close", () => waiting?.reject(new Error("the server closed the connection")))
    return opened
  }
  let socket = await open()
  return {
    async ask(request) {
      if (socket.destroyed || socket.readableEnded) socket = await open()
      waiting = Promise.withResolvers()
      socket.write(request)
      return await waiting.promise
    },
  }
}

async function connected(url: string, identity: { key: string; cert: string; ca: string }): Promise<Socket> {
  const { protocol, hostname: host, port } = new URL(url)
  const at = { host, port: Number(port) }
  // The server is named by its SPIFFE ID and not by its host; that is the SDK's to check.
  const tls = { ...at, ...identity, minVersion: "TLSv1.3" as const, checkServerIdentity: () => undefined }
  const socket: Socket = protocol === "https:" ? connectTls(tls) : connectPlain(at)
  socket.setNoDelay(true)
  const ready = protocol === "https:" ? "secureConnect" : "connect"
  await new Promise((resolve, reject) => socket.once(ready, resolve).once("error", reject))
  return socket
}

/** A request as bytes; `headers` are lines of their own, each with its end. */
export function requestOf(url: string, path: string, body: string, headers: string): string {
  const lines = `host: ${new URL(url).host}\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n`
  return `POST ${path} HTTP/1.1\r\n${lines}\r\n${body}`
}

/** A header of an answer; undefined when it is not there. */
export function headerOf({ text }: Answer, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: ([^\\r]*)`, "i").exec(text.slice(0, text.indexOf("\r\n\r\n")))?.[1]
}

/** The body of an answer. */
export function bodyOf({ text }: Answer): string {
  return text.slice(text.indexOf("\r\n\r\n") + 4)
}

function isWhole(text: string): boolean {
  const headEnd = text.indexOf("\r\n\r\n")
  if (headEnd < 0) return false
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1]
  if (length === undefined) return text.endsWith("\r\n0\r\n\r\n")
  return text.length >= headEnd + 4 + Number(length)
}
