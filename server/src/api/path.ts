import { Refusal } from "#kernel"

/** RFC 6570 `{id}` becomes Hono's `:id`; `{rest...}` takes the remaining segments. */
export function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\.\.\.\}/g, ":$1{.+}").replaceAll(/\{(\w+)\}/g, ":$1")
}

/** Paths in the order in which they are tried: a name in a segment comes before a parameter that would also take it. */
export function mostSpecificFirst<T>(byPath: ReadonlyMap<string, T>): [string, T][] {
  const rank = (path: string) => path.replaceAll(/\{\w+\.\.\.\}/g, "\uffff").replaceAll(/\{\w+\}/g, "\ufffe")
  return [...byPath].toSorted(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))
}

/**
 * Refuses with `invalid-request` a path that two readers may read differently: a percent sign that encodes nothing, bytes
 * that are not UTF-8, an encoded slash, a control character (RFC 3986 §2.1, §7.3). No name of ours needs one of these.
 */
export function refuseOddPath(url: string): void {
  if (!url.includes("%")) return
  const { pathname } = new URL(url)
  for (const segment of pathname.split("/")) {
    const decoded = decode(segment)
    if (decoded === null || /[/\\\p{Cc}]/u.test(decoded)) {
      throw new Refusal("invalid-request", "The path holds a percent-encoding that is not taken here.")
    }
  }
}

function decode(segment: string): string | null {
  try {
    return decodeURIComponent(segment)
  } catch {
    return null
  }
}
