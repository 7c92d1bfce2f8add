import type { Agents, ServerIdentity } from "#agents"
import type { Log } from "#kernel"
import type { Configuration } from "./configuration.ts"

/** The server's own SVID, renewed at half life while the server runs. */
export type KeptIdentity = AsyncDisposable & {
  readonly current: ServerIdentity
  onRenewed(listener: (identity: ServerIdentity) => void): void
}

const RETRY_MS = 30_000

/** Gets the server's SVID for the names that agents reach it by, and keeps it from expiring. */
export async function keepIdentity(agents: Agents, configuration: Configuration, log: Log): Promise<KeptIdentity> {
  const listeners: ((identity: ServerIdentity) => void)[] = []
  const names = serverNames(configuration)
  let held = await agents.serverIdentity(names)
  let running: Promise<void> | undefined
  let isClosed = false
  let timer = after(halfLifeMs())

  function halfLifeMs(): number {
    return Math.max(1_000, (held.notAfterMs - Date.now()) / 2)
  }
  function after(delayMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      running = renew()
    }, delayMs).unref()
  }
  async function renew(): Promise<void> {
    let pauseMs = RETRY_MS
    try {
      held = await agents.serverIdentity(names)
      for (const listener of listeners) listener(held)
      pauseMs = halfLifeMs()
    } catch (error) {
      log.error("the server's own SVID could not be renewed", { error, notAfterMs: held.notAfterMs })
    }
    if (!isClosed) timer = after(pauseMs)
  }
  return {
    get current() {
      return held
    },
    onRenewed: (listener) => void listeners.push(listener),
    async [Symbol.asyncDispose]() {
      isClosed = true
      clearTimeout(timer)
      await running
    },
  }
}

/** DNS names and addresses for the certificate: the public one, and loopback for tools on the same host. */
function serverNames({ agentsUrl }: Configuration): { dns: string[]; ips: string[] } {
  const host = new URL(agentsUrl).hostname.replace(/^\[|\]$/g, "")
  const isIp = /^[\d.]+$/.test(host) || host.includes(":")
  return {
    dns: [...new Set(["localhost", ...(isIp ? [] : [host])])],
    ips: [...new Set(["127.0.0.1", ...(isIp ? [host] : [])])],
  }
}
