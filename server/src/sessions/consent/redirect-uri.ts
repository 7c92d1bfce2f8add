/** Hosts whose port is chosen when the client starts to listen (RFC 8252 §7.3); `localhost` is a name, and none of them. */
const LOOPBACK = ["127.0.0.1", "[::1]"]

/**
 * True when the URI is one of the registered ones: the same text (RFC 9700 §2.1), but for the port of http on a loopback
 * address (RFC 8252 §7.3).
 */
export function isRegistered(uri: string, registered: readonly string[]): boolean {
  return registered.some((each) => each === uri || isSameButPort(uri, each))
}

function isSameButPort(uri: string, registered: string): boolean {
  const [asked, known] = [URL.parse(uri), URL.parse(registered)]
  if (asked === null || known === null || asked.href !== uri) return false
  if (known.protocol !== "http:" || !LOOPBACK.includes(known.hostname)) return false
  asked.port = known.port
  return asked.href === registered
}
