import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { mayConnect } from "./addresses.ts"

const special = [
  "0.0.0.0",
  "0.255.255.255",
  "100.64.0.1",
  "100.100.100.200",
  "127.0.0.1",
  "127.255.255.255",
  "168.63.129.16",
  "169.254.169.254",
  "192.0.0.8",
  "192.0.2.1",
  "192.88.99.1",
  "198.18.0.1",
  "198.19.255.255",
  "203.0.113.9",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "0:0:0:0:0:ffff:a00:1",
  "::127.0.0.1",
  "64:ff9b::7f00:1",
  "64:ff9b::8.8.8.8",
  "64:ff9b:1::a00:1",
  "100::1",
  "2001::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "3fff::1",
  "4000::1",
  "fe80::1",
  "fec0::1",
  "ff02::1",
  "fd00:ec2::254",
  "fd20:ce::254",
]
const inside = ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12:3456::1"]
const outside = [
  "1.1.1.1",
  "8.8.8.8",
  "172.15.0.1",
  "172.32.0.1",
  "100.128.0.1",
  "2001:4860:4860::8888",
  "2606:4700::1111",
  "2a00:1450::1",
]

test("pitfall 17: a provider is asked at public addresses", () => {
  for (const each of outside) assert.equal(mayConnect(each, "public"), true, each)
  for (const each of [...special, ...inside]) assert.equal(mayConnect(each, "public"), false, each)
})

test("pitfall 17: private networks are for providers of which the configuration says so, without what clouds hide there", () => {
  for (const each of [...outside, ...inside]) assert.equal(mayConnect(each, "private"), true, each)
  for (const each of special) assert.equal(mayConnect(each, "private"), false, each)
  for (const each of ["::ffff:10.0.0.1", "::ffff:c0a8:101"]) assert.equal(mayConnect(each, "private"), false, each)
})

test("pitfall 17: a provider on this machine is on this machine, and nowhere else", () => {
  for (const each of ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1"]) assert.equal(mayConnect(each, "loopback"), true, each)
  const others = special.filter((each) => each !== "127.0.0.1" && each !== "::1")
  for (const each of [...others, ...inside, ...outside]) assert.equal(mayConnect(each, "loopback"), false, each)
})

test("what is no address is not connected to", () => {
  for (const each of ["", "localhost", "127.1", "0x7f000001", "1.2.3.4:80", "[::1]", "fe80::1%eth0", "١.١.١.١"]) {
    for (const network of ["public", "private", "loopback"] as const)
      assert.equal(mayConnect(each, network), false, each)
  }
})

test("pitfall 17: no IPv4 address gets in as an IPv6 one", () => {
  const two = (n: number) => n.toString(16)
  fc.assert(
    fc.property(fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)), ([a, b, c, d]) => {
      const [high, low] = [two(a * 256 + b), two(c * 256 + d)]
      const forms = [`::ffff:${high}:${low}`, `::${high}:${low}`, `64:ff9b::${high}:${low}`, `2002:${high}:${low}::1`]
      for (const form of forms) {
        for (const network of ["public", "private", "loopback"] as const) {
          // ::0.0.0.1 is one more way to write the loopback address.
          const isLoopback = network === "loopback" && form === "::0:1"
          assert.equal(mayConnect(form, network), isLoopback, `${form} ${network}`)
        }
      }
    }),
  )
})
