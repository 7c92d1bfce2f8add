import { BlockList, isIP } from "node:net"

/** Where a provider may be (part.ts). */
export type Network = "public" | "private" | "loopback"

/** Private networks (RFC 1918, RFC 4193). */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]

/**
 * What is not on the public Internet, or leads out of it: the special-purpose registries of IANA (RFC 6890), and addresses
 * that only clouds give a meaning to, where a machine's own credentials can be asked for.
 */
const SPECIAL = [
  "0.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "168.63.129.16/32",
  // Within 2000::/3, outside of which nothing is public: protocols, documentation, 6to4 with any IPv4 address inside.
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "2620:4f:8000::/48",
  "3fff::/20",
]

/** Within private networks, and no provider: where clouds answer their machines. */
const METADATA = ["fd00:ec2::/32", "fd20:ce::/32"]

const globalIpv6 = listOf(["2000::/3"])
const privateNetworks = listOf(PRIVATE)
const special = listOf(SPECIAL)
const metadata = listOf(METADATA)
const loopback = listOf(["127.0.0.1/32", "::1/128"])

/**
 * True when a provider of that network may be asked at the address. An IPv6 address that holds an IPv4 one (mapped, compatible,
 * NAT64, 6to4, Teredo) is none: whoever means the IPv4 address says so.
 */
export function mayConnect(address: string, network: Network): boolean {
  const family = isIP(address)
  if (family === 0) return false
  const kind = family === 4 ? "ipv4" : "ipv6"
  if (network === "loopback") return !isMapped(address) && loopback.check(address, kind)
  if (metadata.check(address, kind) || special.check(address, kind)) return false
  if (privateNetworks.check(address, kind)) return network === "private" && !isMapped(address)
  return family === 4 || globalIpv6.check(address, kind)
}

/** BlockList takes a mapped address for the IPv4 one, which is right for refusing and wrong for allowing. */
function isMapped(address: string): boolean {
  return isIP(address) === 6 && /^::ffff:/i.test(URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1) ?? "::ffff:")
}

function listOf(subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [address, bits] = subnet.split("/")
    list.addSubnet(address!, Number(bits), address!.includes(":") ? "ipv6" : "ipv4")
  }
  return list
}
