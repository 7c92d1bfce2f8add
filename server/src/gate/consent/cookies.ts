/** What a browser brought: that it is the one which began, and who is signed in with it. */
export type Cookies = { browser: string | null; signedIn: string | null }

/** `browser` binds what is begun to one browser; `signedIn` is somebody's, and made anew at each sign-in. */
type CookieName = keyof Cookies

/**
 * Behind TLS a name that no other host and no plain connection can set (RFC 6265bis §4.1.3.2). On loopback, where there is no
 * TLS, cookies know no ports: the port in the name keeps apart what runs beside us.
 */
function nameOf(issuer: URL, name: CookieName): string {
  const own = `safeconduct-${name === "browser" ? "browser" : "signed-in"}`
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
  return { browser: read("browser"), signedIn: read("signedIn") }
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
