import { exposition, type Reading, type Route, route } from "#kernel"

/** One thing that must hold for new work to succeed; `problem` is null when it does, else what is wrong and what to do. */
export type Check = { name: string; problem(): Promise<string | null> | string | null }

/**
 * Liveness, readiness and metrics. Ready means that new work would succeed now: each check does new work (writes, signs, decides)
 * instead of reading back what was true a while ago. Whoever asks meanwhile gets the same answer: they write and sync, and a
 * balancer passes on what anybody asks.
 */
export function healthRoutes(checks: readonly Check[], readings: readonly Reading[] = []): Route<unknown, never>[] {
  let running: Promise<Result[]> | undefined
  const runAll = () => {
    running ??= Promise.all(checks.map(runCheck)).finally(() => {
      running = undefined
    })
    return running
  }
  return [
    route({
      method: "GET",
      path: "/metrics",
      listeners: ["ops"],
      right: "public",
      events: null,
      summary: "Counts and times for Prometheus",
      handle: async () => {
        const { contentType, text } = await exposition(readings)
        return new Response(text, { headers: { "content-type": contentType, "cache-control": "no-store" } })
      },
    }),
    route({
      method: "GET",
      path: "/livez",
      listeners: ["ops"],
      right: "public",
      events: null,
      summary: "The process runs",
      handle: () => ({ status: "alive" }),
    }),
    route({
      method: "GET",
      path: "/readyz",
      listeners: ["ops"],
      right: "public",
      events: null,
      summary: "New work would succeed",
      handle: async () => {
        const results = await runAll()
        const isReady = results.every(({ problem }) => problem === null)
        const body = { status: isReady ? "ready" : "not-ready", checks: results }
        return new Response(JSON.stringify(body), {
          status: isReady ? 200 : 503,
          headers: { "content-type": "application/json", "cache-control": "no-store" },
        })
      },
    }),
  ]
}

const CHECK_TIMEOUT_MS = 3_000

type Result = { name: string; problem: string | null }

async function runCheck({ name, problem }: Check): Promise<Result> {
  const late = Promise.withResolvers<string>()
  const timer = setTimeout(() => late.resolve(`no answer within ${CHECK_TIMEOUT_MS} ms`), CHECK_TIMEOUT_MS)
  try {
    return { name, problem: await Promise.race([problem(), late.promise]) }
  } catch (error) {
    return { name, problem: error instanceof Error ? error.message : "failed" }
  } finally {
    clearTimeout(timer)
  }
}
