import type { Agents } from "#agents"
import type { TlsIdentity } from "#api"
import type { Log } from "#kernel"
import type { Configuration } from "./configuration.ts"

/** The server's own SVID, renewed at half life while the server runs. */
export type KeptIdentity = Disposable & {
  readonly current: TlsIdentity
  onRenewed(listener: (identity: TlsIdentity) => void): void
}

const RETRY_MS = 30_000

/** Gets the server's SVID for the names that agents reach it by, and keeps it from expiring. */
export async function keepIdentity(agents: Agents, configuration: Configuration, log: Log): Promise<KeptIdentity> {
  const listeners: ((identity: TlsIdentity) => void)[] = []
  const names = serverNames(configuration)
  let held = await agents.serverIdentity(names)
  let timer = after(halfLifeMs())

  function halfLifeMs(): number {
    return Math.max(1_000, (held.notAfterMs - Date.now()) / 2)
  }
  function after(delayMs: number): NodeJS.Timeout {
    return setTimeout(renew, delayMs).unref()
  }
  async function renew(): Promise<void> {
    try {
      held = await agents.serverIdentity(names)
      for (const listener of listeners) listener(held)
      timer = after(halfLifeMs())
    } catch (error) {
      log.error("the server's own SVID could not be renewed", { error, notAfterMs: held.notAfterMs })
      timer = after(RETRY_MS)
    }
  }
  return {
    get current() {
      return held
    },
    onRenewed: (listener) => void listeners.push(listener),
    [Symbol.dispose]: () => clearTimeout(timer),
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
