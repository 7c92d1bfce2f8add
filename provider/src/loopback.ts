import { BlockList, isIP } from "node:net"

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** Throws unless only this machine reaches the address. A name is refused too: somebody else says where it leads. */
export function requireLoopback(address: string): void {
  if (address === "127.0.0.1" || address === "::1") return
  throw new Error(
    `The provider signs anybody in without a password, so it listens where only this machine reaches it: 127.0.0.1 or ::1, not ${JSON.stringify(address)}.`,
  )
}

/** What the provider calls its clients with: nothing beyond this machine, no redirect, nothing over the limits that it sets. */
export const fetchHere: typeof fetch = async (input, init) => {
  const { hostname } = new URL(input instanceof Request ? input.url : input)
  const address = hostname === "localhost" ? "127.0.0.1" : hostname.replace(/^\[(.*)\]$/, "$1")
  if (!isLoopback(address)) throw new Error(`The provider calls nobody beyond this machine, and not ${hostname}.`)
  // The library's own dispatcher refuses exactly the addresses that are the only ones here.
  const { dispatcher: _, ...rest } = (init ?? {}) as RequestInit & { dispatcher?: unknown }
  return await fetch(input, { ...rest, redirect: "manual" })
}

function isLoopback(address: string): boolean {
  const version = isIP(address)
  return version !== 0 && loopback.check(address, version === 6 ? "ipv6" : "ipv4")
}
