import { setTimeout as delay } from "node:timers/promises"
import pg from "pg"

/** A connection to a resource that is at work until it is closed or lost. */
export type Connected = {
  /** Resolves when it is gone, whoever ended it. */
  lost: Promise<void>
  isAlive(): Promise<boolean>
  close(): Promise<void>
}

const CONNECT_MS = 5_000
const BEAT_MS = 500

/** Connects and reads twice a second. Rejects with what PostgreSQL answered. */
export async function open(settings: pg.ClientConfig): Promise<Connected> {
  const client = new pg.Client({ ...settings, connectionTimeoutMillis: CONNECT_MS })
  let isOver = false
  client.on("error", () => undefined)
  const lost = new Promise<void>((resolve) => {
    client.once("end", () => {
      isOver = true
      resolve()
    })
  })
  await client.connect()
  const works = async () => {
    const answer = client.query("select count(*) from faq").then(
      () => true,
      () => false,
    )
    return await Promise.race([answer, delay(CONNECT_MS, false, { ref: false })])
  }
  void (async () => {
    while (!isOver && (await works())) await delay(BEAT_MS, undefined, { ref: false })
  })()
  return {
    lost,
    isAlive: async () => !isOver && (await works()),
    async close() {
      if (!isOver) await Promise.race([client.end(), delay(CONNECT_MS, undefined, { ref: false })])
    },
  }
}

/** True when PostgreSQL refuses a login, or cannot be reached; false when it lets in. */
export async function refusesLogin(settings: pg.ClientConfig): Promise<boolean> {
  try {
    await (await open(settings)).close()
    return false
  } catch {
    return true
  }
}
