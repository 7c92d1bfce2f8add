import { type Id, Refusal } from "#kernel"

/** True for an error that says that nothing can be recorded now, and nothing of the request itself. */
export function isUnrecordable(error: unknown): boolean {
  if (!(error instanceof Refusal)) return true
  return ["store-unavailable", "overloaded", "log-forked", "internal"].includes(error.code)
}

/**
 * RFC 9110 §15.3.3: done here as far as it can be, and owed to the database. `entry` is the id that its log entry will have,
 * so that whoever asked can ask for its receipt later.
 */
export function accepted(body: object, entry: Id<"entry">): Response {
  const detail =
    "Taken away on this server, with every connection that it knows of. The database cannot be told yet: it is written " +
    `down here, and will be carried out and entered in the log as ${entry}. It need not be repeated.`
  return new Response(JSON.stringify({ ...body, isRecorded: false, entry, detail }), {
    status: 202,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  })
}
