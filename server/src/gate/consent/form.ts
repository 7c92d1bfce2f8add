import { createHmac } from "node:crypto"
import { equal, Refusal } from "#kernel"

/** What a form of ours has beside its fields: nobody but this browser can know it, and it is good for one path. */
export function formToken(cookie: string, path: string): string {
  return createHmac("sha256", cookie).update(`form ${path}`).digest("base64url")
}

/**
 * Refuses a form that another site's page sent, or that was not drawn for this browser. Our pages send their origin, because
 * their referrer policy is `same-origin`; with `no-referrer` a browser would say `null` (Fetch §3.1). Throws `invalid-request`.
 */
export function requireOwnForm(
  { headers, issuer, cookie, path }: { headers: Headers; issuer: URL; cookie: string | null; path: string },
  token: string | undefined,
): void {
  const site = headers.get("sec-fetch-site")
  const isOwnPage = headers.get("origin") === issuer.origin && (site === null || site === "same-origin")
  if (isOwnPage && cookie !== null && isSame(token, formToken(cookie, path))) return
  throw new Refusal("invalid-request", "This was not sent by the page that it belongs to. Open the page again.")
}

function isSame(token: string | undefined, own: string): boolean {
  return token !== undefined && equal(Buffer.from(token), Buffer.from(own))
}
