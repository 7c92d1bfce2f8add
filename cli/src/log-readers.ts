import { SafeconductError, type Transport } from "@safeconduct/sdk"
import type { LogReader } from "@safeconduct/tlog"

/** A running log, read as the operator: entries need a right, and the connection proves who asks. */
export function serverReader(server: Transport): LogReader {
  return {
    async read(path) {
      try {
        const { bytes } = await server.send({ method: "GET", path: `/log/${path}` })
        return new Uint8Array(bytes)
      } catch (error) {
        if (error instanceof SafeconductError && error.code === "not-found") return null
        throw error
      }
    },
  }
}
