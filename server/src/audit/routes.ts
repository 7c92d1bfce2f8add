import { z } from "zod"
import { Refusal, type Route, type RouteRequest, route } from "#kernel"
import type { Audit } from "./open.ts"
import type { EntryQuery } from "./read.ts"

/** Whoever calls, as far as audit knows: it is below the room that identifies. */
type Caller = { spiffeId: string } | null

const index = z.string().regex(/^\d{1,15}$/, "must be a whole number")
const text = z.string().min(1).max(200)
const entriesQuery = z.strictObject({
  log: index.optional(),
  from: index.optional(),
  limit: index.optional(),
  event: text.optional(),
  session: text.optional(),
}) as unknown as z.ZodType<Record<string, string>>

const entryAnswer = z.object({
  index: z.number().int(),
  id: z.string(),
  leaf: z.record(z.string(), z.unknown()),
  text: z.string(),
  disclosures: z.record(z.string(), z.object({ salt: z.string(), value: z.unknown() })).optional(),
})
const key = z.object({ vkey: z.string(), addedAt: z.string(), retiredAt: z.string().nullable() })
const closed = z.object({ at: z.string(), size: z.number().int(), root: z.string() })
const keyAnswer = z.object({
  origin: z.string(),
  vkey: z.string(),
  vkeys: z.array(z.string()),
  logs: z.array(z.object({ log: z.number().int(), origin: z.string(), keys: z.array(key), closed: closed.nullable() })),
})
const entriesAnswer = z.object({
  entries: z.array(entryAnswer),
  next: z.number().int().nullable(),
  size: z.number().int(),
})

/** Reading and proving over HTTP. Whoever reads entries leaves one; the C2SP paths are under `/log`. */
export function routes(audit: Audit): Route<Caller, never>[] {
  return [
    route({
      method: "GET",
      path: "/v1/audit/entries",
      listeners: ["agents"],
      right: "read-audit",
      events: ["audit.read"],
      summary: "Read entries of the log in order",
      query: entriesQuery,
      answer: entriesAnswer,
      handle: async ({ caller, query }: RouteRequest<Caller, never>) => {
        const wanted = toEntryQuery(query)
        await recordReading(audit, caller, wanted)
        return await audit.entries(wanted)
      },
    }),
    route({
      method: "GET",
      path: "/v1/audit/entries/{id}",
      listeners: ["agents"],
      right: "read-audit",
      events: ["audit.read"],
      summary: "Read one entry, with what is left of its personal values",
      answer: entryAnswer,
      handle: async ({ caller, params }: RouteRequest<Caller, never>) => {
        const entry = await audit.entry(params["id"]!)
        await recordReading(audit, caller, { entry: entry.id })
        return entry
      },
    }),
    route({
      method: "GET",
      path: "/v1/audit/receipts/{id}",
      listeners: ["agents"],
      right: "read-audit",
      events: null,
      summary: "Prove that an entry is in the log (C2SP tlog-proof)",
      handle: async ({ params }: RouteRequest<Caller, never>) =>
        plain(await audit.receipt(params["id"]!), "private, no-cache"),
    }),
    route({
      method: "GET",
      path: "/v1/audit/key",
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: "The log's name and the public keys of its checkpoints (C2SP signed-note), with those of closed logs",
      answer: keyAnswer,
      handle: async () => ({
        origin: audit.origin,
        vkey: audit.vkey,
        vkeys: audit.keys.inForce(),
        logs: await audit.logs(),
      }),
    }),
    ...tileRoutes(audit, "/log", () => undefined),
    // C2SP tlog-tiles: a prefix for each log. That of the log that goes on has its number too.
    ...tileRoutes(audit, "/log/{log}", logOf),
  ]
}

function logOf({ log }: Record<string, string>): number {
  if (log !== undefined && /^[1-9]\d{0,8}$/.test(log)) return Number(log)
  throw new Refusal("not-found", "A log has a number, such as /log/1/checkpoint.")
}

type WhichLog = (params: Record<string, string>) => number | undefined

/** C2SP tlog-tiles under a prefix. Hashes give nothing away (each leaf is salted); entries need a right. */
function tileRoutes(audit: Audit, prefix: "/log" | "/log/{log}", logOf: WhichLog): Route<Caller, never>[] {
  const whose = prefix === "/log" ? "The log's" : "A log's, also a closed one's,"
  return [
    route({
      method: "GET",
      path: `${prefix}/checkpoint`,
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: `${whose} newest signed tree head (C2SP tlog-checkpoint)`,
      handle: async ({ params }: RouteRequest<Caller, never>) =>
        plain(await audit.checkpoint(logOf(params)), "no-cache"),
    }),
    // Before the next one, whose path it matches as well.
    route({
      method: "GET",
      path: `${prefix}/tile/entries/{N...}`,
      listeners: ["agents"],
      right: "read-audit",
      events: ["audit.read"],
      summary: `${whose} bundle of entries (C2SP tlog-tiles)`,
      handle: async ({ caller, params }: RouteRequest<Caller, never>) => {
        const path = `tile/entries/${params["N"]}`
        const log = logOf(params)
        const answer = await tileAnswer(audit, path, { visibility: "private", log })
        await recordReading(audit, caller, { path, ...(log === undefined ? {} : { log }) })
        return answer
      },
    }),
    route({
      method: "GET",
      path: `${prefix}/tile/{L}/{N...}`,
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: `${whose} tile of hashes (C2SP tlog-tiles)`,
      handle: ({ params }: RouteRequest<Caller, never>) => {
        if (!/^\d+$/.test(params["L"]!)) throw new Refusal("not-found", "There is no such tile.")
        return tileAnswer(audit, `tile/${params["L"]}/${params["N"]}`, { visibility: "public", log: logOf(params) })
      },
    }),
  ]
}

type Serving = { visibility: "public" | "private"; log: number | undefined }

async function tileAnswer(audit: Audit, path: string, { visibility, log }: Serving): Promise<Response> {
  const tile = await audit.tile(path, log)
  if (tile === null) throw new Refusal("not-found", "The log does not reach this tile, or its path is not one.")
  return new Response(new Uint8Array(tile.bytes), {
    headers: {
      "content-type": "application/octet-stream",
      "cache-control": tile.isFull ? `${visibility}, max-age=31536000, immutable` : `${visibility}, max-age=60`,
    },
  })
}

function plain(body: string, cacheControl: string): Response {
  return new Response(body, {
    headers: { "content-type": "text/plain; charset=utf-8", "cache-control": cacheControl },
  })
}

/** Durable before anything is answered. */
async function recordReading(audit: Audit, caller: Caller, data: { [name: string]: string | number }): Promise<void> {
  if (caller === null) throw new Refusal("no-identity", "Entries are read with an identity.")
  await audit.commit({ entries: () => [{ event: "audit.read", by: caller.spiffeId, data }] })
}

function toEntryQuery({ log, from, limit, event, session }: Record<string, string>): EntryQuery {
  return {
    ...(log === undefined ? {} : { log: Number(log) }),
    ...(from === undefined ? {} : { from: Number(from) }),
    ...(limit === undefined ? {} : { limit: Number(limit) }),
    ...(event === undefined ? {} : { event }),
    ...(session === undefined ? {} : { session }),
  }
}
