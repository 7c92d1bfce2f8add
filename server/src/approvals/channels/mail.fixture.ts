import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { SMTPServer, type SMTPServerOptions } from "smtp-server"
import { type Caught, type Manner, openCaught } from "#testing"

/** A letter. */
export type CaughtLetter = { to: string; from: string; subject: string; text: string; raw: string; messageId: string }

/** A mail server on this machine. */
export type MailServer = AsyncDisposable & {
  readonly port: number
  caught: Caught<CaughtLetter>
  /** How it answers recipients from now on. */
  manner: Manner
}

/** Starts one, without TLS unless given a certificate; with a user, it takes letters of nobody else. */
export async function openMailServer(
  options: { user?: { name: string; password: string }; tls?: { key: string; cert: string }; implicit?: true } = {},
): Promise<MailServer> {
  const { caught, add } = openCaught<CaughtLetter>()
  const { user, tls, implicit = false } = options
  const codes = { later: 451, "for-good": 550, gone: 550 } as const
  const how: SMTPServerOptions = {
    authOptional: user === undefined,
    disabledCommands: [...(tls === undefined ? ["STARTTLS"] : []), ...(user === undefined ? ["AUTH"] : [])],
    allowInsecureAuth: tls === undefined,
    secure: implicit,
    ...tls,
    logger: false,
    onAuth: ({ username, password }, _, done) => {
      const isRight = username === user?.name && password === user?.password
      done(isRight ? null : new Error("wrong password"), isRight ? { user: username } : undefined)
    },
    onRcptTo: (_, __, done) => {
      if (own.manner === "silent") return
      if (own.manner === "take") return done()
      done(Object.assign(new Error("not taken"), { responseCode: codes[own.manner] }))
    },
    onData: async (stream, { envelope }, done) => {
      const raw = Buffer.concat((await stream.toArray()) as Buffer[]).toString("utf8")
      add({
        ...lettered(raw),
        to: envelope.rcptTo[0]!.address,
        from: envelope.mailFrom ? envelope.mailFrom.address : "",
      })
      done()
    },
  }
  const server = new SMTPServer(how)
  server.on("error", () => undefined)
  server.listen(0, "127.0.0.1")
  await once(server.server, "listening")
  const own: MailServer = {
    port: (server.server.address() as AddressInfo).port,
    caught,
    manner: "take",
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(resolve))
    },
  }
  return own
}

function lettered(raw: string): Pick<CaughtLetter, "subject" | "text" | "raw" | "messageId"> {
  const [head, ...rest] = raw.split("\r\n\r\n")
  const header = (name: string) => new RegExp(`^${name}: (.*)$`, "im").exec(head!)?.[1]?.trim() ?? ""
  const body = rest.join("\r\n\r\n")
  const encoding = header("content-transfer-encoding").toLowerCase()
  const text =
    encoding === "base64"
      ? Buffer.from(body, "base64").toString("utf8")
      : encoding === "quoted-printable"
        ? unquoted(body)
        : body
  return { subject: header("subject"), text, raw, messageId: header("message-id") }
}

/** RFC 2045 §6.7 */
function unquoted(text: string): string {
  const bytes = text
    .replaceAll(/=\r?\n/g, "")
    .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, "latin1").toString("utf8")
}
