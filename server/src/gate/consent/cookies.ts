/** What a browser brought: that it is the one which began, who is signed in with it, where they go then, and how they read. */
export type Cookies = { [Each in CookieName]: string | null }

/**
 * `browser` binds what is begun to one browser; `signedIn` is somebody's, and made anew at each sign-in; `after` is the page of ours
 * that they signed in for; `language` is what they chose. Neither of the latter is secret, or proves anything.
 */
type CookieName = keyof typeof NAMES

const NAMES = { browser: "browser", signedIn: "signed-in", after: "after", language: "language" } as const

/**
 * Behind TLS a name that no other host and no plain connection can set (RFC 6265bis §4.1.3.2). On loopback, where there is no
 * TLS, cookies know no ports: the port in the name keeps apart what runs beside us.
 */
function nameOf(issuer: URL, name: CookieName): string {
  const own = `safeconduct-${NAMES[name]}`
  return issuer.protocol === "https:" ? `__Host-${own}` : `${own}-${issuer.port}`
}

/** Reads them; one that came twice is none. */
export function readCookies(headers: Headers, issuer: URL): Cookies {
  const all = (headers.get("cookie") ?? "").split(";").map((each) => each.trim())
  const read = (name: CookieName) => {
    const prefix = `${nameOf(issuer, name)}=`
    const values = all.filter((each) => each.startsWith(prefix))
    return values.length === 1 ? values[0]!.slice(prefix.length) : null
  }
  return { browser: read("browser"), signedIn: read("signedIn"), after: read("after"), language: read("language") }
}

/**
 * A Set-Cookie header; null takes the cookie away. Lax: it has to come along when a user is sent here, by an application or back
 * from their provider, and comes with no form of another site.
 */
export function setCookie(issuer: URL, name: CookieName, value: string | null): string {
  const secure = issuer.protocol === "https:" ? "; Secure" : ""
  const end = value === null ? "; Max-Age=0" : ""
  return `${nameOf(issuer, name)}=${value ?? ""}; Path=/; HttpOnly; SameSite=Lax${secure}${end}`
}
