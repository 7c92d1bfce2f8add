import { SafeconductError, type Transport } from "@safeconduct/sdk"
import type { LogReader } from "@safeconduct/tlog"

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
