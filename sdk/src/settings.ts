import type { ConnectionOptions } from "node:tls"
import { inspect } from "node:util"
import type { PostgresCredential } from "./wire.ts"

/** Connection settings as `new pg.Client(settings)` and `new pg.Pool(settings)` take them. */
export type PostgresSettings = {
  host: string
  port: number
  user: string
  password: string
  database: string
  ssl: false | ConnectionOptions
}

/**
 * Settings from a credential. The password is a plain property, because drivers read it; printing or serialising the
 * settings shows "[secret]" in its place. A copy (`{ ...settings }`) is an ordinary object and shows it.
 */
export function settingsOf(credential: PostgresCredential): PostgresSettings {
  const { host, port, user, password, database, tls, ca } = credential
  // The driver upgrades a socket it opened itself; without the host an IP address would be compared with "localhost".
  const ssl =
    tls === "disable" ? (false as const) : { host, rejectUnauthorized: tls === "verify-full", ...(ca && { ca }) }
  const settings: PostgresSettings = { host, port, user, password, database, ssl }
  return hide(settings, () => ({ ...settings, password: "[secret]" }))
}

/** Makes the object print and serialise as what `show` returns. */
export function hide<T extends object>(object: T, show: () => object): T {
  Object.defineProperties(object, {
    toJSON: { value: show, enumerable: false },
    [inspect.custom]: { value: show, enumerable: false },
  })
  return object
}
