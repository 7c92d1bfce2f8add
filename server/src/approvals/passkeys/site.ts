import { isIP } from "node:net"
import { Refusal } from "#kernel"

/** The site that passkeys are for, as browsers name it: RP ID and origin (WebAuthn Level 3 §4). */
export type Site = { rpId: string; origin: string }

/** The site of an issuer's URL. Throws `passkeys-unavailable` for an IP address, which browsers make no passkeys for (§5.1.3). */
export function siteOf(issuer: string): Site {
  const { hostname, origin } = new URL(issuer)
  if (isIP(hostname) === 0 && !hostname.startsWith("[")) return { rpId: hostname, origin }
  const what = "Browsers make passkeys for names only, and this deployment's public URL has an address"
  throw new Refusal("passkeys-unavailable", `${what}. Set the issuer to a URL with a name, such as http://localhost.`)
}

/** Refuses a site that is not the one of the deployment's first passkey. Throws `passkeys-unavailable`. */
export function requireSite({ rpId }: Site, fixed: string | null): void {
  if (fixed === null || fixed === rpId) return
  const what = `The passkeys of this deployment are for ${fixed}, and no browser uses them at ${rpId}`
  throw new Refusal("passkeys-unavailable", `${what}. Serve its pages at ${fixed} again.`)
}
