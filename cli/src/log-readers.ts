import { SafeconductError, type Transport } from "@safeconduct/sdk"
import type { LogReader } from "@safeconduct/tlog"
import { CommandError, exits } from "./exit.ts"

/**
 * A server's log, read as the operator: entries need a right, and the connection proves who asks. The one that goes on,
 * unless the number of another is given.
 */
export function serverReader(server: Transport, log?: string): LogReader {
  const prefix = log === undefined ? "/log" : `/log/${encodeURIComponent(log)}`
  return {
    async read(path) {
      try {
        const { bytes } = await server.send({ method: "GET", path: `${prefix}/${path}` })
        return new Uint8Array(bytes)
      } catch (error) {
        if (error instanceof SafeconductError && error.code === "not-found") return null
        throw error
      }
    },
  }
}

/** The same for a log that somebody named: one that is not there is a mistake, and not a log that does not verify. */
export function namedReader(server: Transport, log?: string): LogReader {
  const reader = serverReader(server, log)
  return {
    async read(path) {
      const bytes = await reader.read(path)
      if (bytes !== null || path !== "checkpoint" || log === undefined) return bytes
      const message = `The server has no log ${log}, or none that was ever signed; "safeconduct audit key --json" lists them.`
      throw new CommandError(exits.notFound, "not-found", message)
    },
  }
}
