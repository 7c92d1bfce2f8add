import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { createWriteStream } from "node:fs"
import { setTimeout as delay } from "node:timers/promises"

/** An OpenID provider that nobody here wrote, running on this machine, with somebody who can sign in. */
export type ForeignProvider = AsyncDisposable & {
  /** Its name and version, as it says itself. */
  version: string
  issuer: string
  /** Profile in safeconduct.yaml. */
  profile: string
  /** How we, and the application, authenticate to its token endpoint. */
  clientAuthentication: "client_secret_post" | "client_secret_basic"
  secrets: { safeconduct: string; application: string }
  person: { name: string; password: string }
  /** Our name for a claim, and the provider's. */
  claims: { [name: string]: string }
  /** False where its documentation says that it sends no logout tokens. */
  hasBackChannelLogout: boolean
}

/** Where the provider may send people, and tell us that they are gone. */
export type Addresses = {
  folder: string
  port: number
  /** Of the provider's client `safeconduct`, which we are. */
  callback: string
  backChannelLogout: string
  afterLogout: string
  /** Of its client `shop-web`, the application. */
  applicationCallback: string
  /** Where it has us ask one of its users. */
  channel?: string
}

/** Starts a program of the provider's; resolves when its discovery document is there. */
export async function startProvider(
  command: string,
  args: string[],
  how: { env: Record<string, string>; cwd?: string; logTo: string; issuer: string; withinMs: number },
): Promise<AsyncDisposable> {
  const child = spawn(command, args, { env: how.env, cwd: how.cwd, stdio: ["ignore", "pipe", "pipe"], detached: true })
  const log = createWriteStream(how.logTo)
  child.stdout.pipe(log)
  child.stderr.pipe(log)
  const running = {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.pid === undefined) return
      // It has children of its own.
      process.kill(-child.pid, "SIGTERM")
      await Promise.race([once(child, "exit"), delay(10_000)])
      if (child.exitCode === null) process.kill(-child.pid, "SIGKILL")
    },
  }
  try {
    await waitFor(child, `${how.issuer}/.well-known/openid-configuration`, how)
  } catch (error) {
    await running[Symbol.asyncDispose]()
    throw error
  }
  return running
}

async function waitFor(child: ChildProcess, url: string, { withinMs, logTo }: { withinMs: number; logTo: string }) {
  for (const deadline = Date.now() + withinMs; ; await delay(500)) {
    const answer = await fetch(url).catch(() => null)
    if (answer?.ok && (answer.headers.get("content-type") ?? "").includes("json")) return
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the provider did not start; see ${logTo}`)
  }
}
