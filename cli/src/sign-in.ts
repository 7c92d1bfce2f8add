import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import {
  comparedText,
  type Deployment,
  findDeployment,
  type Identity,
  newChallenge,
  redeemSignIn,
} from "@safeconduct/sdk"
import { CommandError, exits } from "./exit.ts"
import { say } from "./output.ts"

/** What `login --provider` is told. */
export type SignInOptions = { provider: string; webUrl: string; folder: string }

/** As long as the server waits. */
const PATIENCE_MS = 10 * 60_000
const PATH = "/signed-in"

/**
 * Signs an operator in with their browser: they open the URL that is printed, sign in, and compare what both show. The browser comes
 * back to this machine with a code, which is good for this process alone.
 */
export async function signIn({ provider, webUrl, folder }: SignInOptions): Promise<Identity> {
  const deployment = await findDeployment(webUrl)
  const { verifier, challenge, state } = newChallenge()
  await using listening = await listen({ issuer: deployment.issuer, state })
  const url = new URL(`${deployment.issuer.replace(/\/$/, "")}/sign-in/${encodeURIComponent(provider)}/operator`)
  const asked = { redirect_uri: listening.redirectUri, state, code_challenge: challenge }
  url.search = new URLSearchParams(asked).toString()
  say(`Open this in a browser on this machine, and sign in:\n\n  ${url.href}\n`)
  say(`Allow it only if the page shows ${comparedText(challenge)}.`)
  const { code, answer } = await listening.code
  return await answered(answer, () => redeemSignIn(deployment, { code, verifier, folder }))
}

/** What the browser came back with, and how to tell its user what became of it. */
type Back = { code: string; answer: ServerResponse }
type Listening = AsyncDisposable & { redirectUri: string; code: Promise<Back> }

/** Listens on this machine alone, at a port that nobody knew before (RFC 8252 §7.3), for one good answer. */
async function listen({ issuer, state }: Pick<Deployment, "issuer"> & { state: string }): Promise<Listening> {
  const { promise: code, resolve, reject } = Promise.withResolvers<Back>()
  code.catch(() => undefined)
  let isOver = false
  const server = createServer((request, answer) => {
    const read = readBack(request, { host, issuer, state })
    if (read === null || isOver) return answerPage(answer, 404, "Nothing is waiting for this.")
    isOver = true
    if ("code" in read) return resolve({ ...read, answer })
    answerPage(answer, 200, "Nothing was given. You can close this page.")
    reject(new CommandError(exits.denied, "login-required", `You are not logged in: ${read.problem}`))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  // Whoever else connects keeps nobody waiting; what is waited for is the answer.
  server.unref()
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const late = new CommandError(exits.later, "timeout", "Nobody signed in within ten minutes. Run it again.")
  const timer = setTimeout(() => reject(late), PATIENCE_MS)
  return {
    redirectUri: `http://${host}${PATH}`,
    code,
    async [Symbol.asyncDispose]() {
      clearTimeout(timer)
      server.close()
      server.closeIdleConnections()
    },
  }
}

/** The answer to this very request, by whom it was sent; null for anything else, which is not for us. */
function readBack(
  { method, headers, url = "" }: IncomingMessage,
  own: { host: string; issuer: string; state: string },
): { code: string } | { problem: string } | null {
  const { pathname, searchParams } = new URL(url, `http://${own.host}`)
  // Host: a page whose name leads here sends its own. iss: RFC 9207 §2.4.
  const isOurs = method === "GET" && headers.host === own.host && pathname === PATH
  if (!isOurs || searchParams.get("state") !== own.state || searchParams.get("iss") !== own.issuer) return null
  const [code, error] = [searchParams.get("code"), searchParams.get("error")]
  if (error !== null) return { problem: plain(searchParams.get("error_description") ?? error) }
  return code === null ? null : { code }
}

/** Tells whoever looks at the browser what became of it, too. */
async function answered<T>(answer: ServerResponse, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work()
    answerPage(answer, 200, "You are logged in at the command line. You can close this page.")
    return result
  } catch (error) {
    answerPage(answer, 200, "The command line is not logged in: it says why. You can close this page.")
    throw error
  }
}

function answerPage(answer: ServerResponse, status: number, sentence: string): void {
  answer.writeHead(status, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    connection: "close",
  })
  const body = `<main><h1>Safeconduct</h1><p>${sentence}</p></main>`
  answer.end(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Safeconduct</title>${body}</html>\n`)
}

/** What came through a browser reaches the terminal as letters only. */
function plain(text: string): string {
  return text.slice(0, 300).replaceAll(/[^\x20-\x7e]/g, "?")
}
