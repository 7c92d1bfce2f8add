import assert from "node:assert/strict"
import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { generateKey } from "#kernel"
import { pem } from "./der-write.ts"
import { type Content, selfSign, signWith } from "./issue.ts"

const notBeforeMs = Date.now() - 10_000
const year = 365 * 86_400_000
const period = { notBeforeMs, notAfterMs: notBeforeMs + year }

function hierarchy(leafContent: Partial<Content> = {}) {
  const [rootKey, middleKey, leafKey] = [generateKey(), generateKey(), generateKey()]
  const uri = "spiffe://example.org"
  const root = selfSign(
    { role: "authority", pathLength: 1, commonName: "root", uri, spki: rootKey.spki, ...period },
    rootKey.privateKey,
  )
  const middle = signWith(
    { certificate: root, privateKey: rootKey.privateKey },
    { role: "authority", pathLength: 0, commonName: "middle", uri, spki: middleKey.spki, ...period },
  )
  const leaf = signWith({ certificate: middle, privateKey: middleKey.privateKey }, {
    role: "leaf",
    commonName: null,
    uri: `${uri}/agent/a`,
    spki: leafKey.spki,
    ...period,
    ...leafContent,
  } as Content)
  return { root, middle, leaf, leafKey }
}

test("Node reads in a leaf what we wrote", () => {
  const { leaf, middle, leafKey } = hierarchy({
    dnsNames: ["localhost", "safeconduct.example.org"],
    ips: ["127.0.0.1", "::1", "2001:db8::ff00:42:8329"],
  })
  assert.equal(
    leaf.node.subjectAltName,
    "URI:spiffe://example.org/agent/a, DNS:localhost, DNS:safeconduct.example.org, " +
      "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:FF00:42:8329",
  )
  assert.equal(leaf.node.ca, false)
  assert.ok(leaf.node.verify(middle.node.publicKey))
  assert.ok(leaf.node.checkPrivateKey(leafKey.privateKey))
  assert.equal(leaf.node.checkIP("::1"), "::1")
  assert.equal(leaf.node.checkHost("localhost"), "localhost")
  assert.equal(leaf.node.serialNumber.toLowerCase(), leaf.serial)
  assert.equal(Date.parse(leaf.node.validTo), leaf.notAfterMs)
  assert.deepEqual(leaf.node.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"])
})

test("an empty subject makes the alternative name critical", () => {
  const { leaf, middle } = hierarchy()
  assert.ok(leaf.critical.includes("2.5.29.17"))
  assert.ok(!middle.critical.includes("2.5.29.17"))
})

test("two certificates never share a serial", () => {
  const serials = new Set(Array.from({ length: 20 }, () => hierarchy().leaf.serial))
  assert.equal(serials.size, 20)
})

test("signing with a key that is not the signer's certificate's fails", () => {
  const { middle } = hierarchy()
  const { privateKey, spki } = generateKey()
  const content: Content = { role: "leaf", commonName: null, uri: "spiffe://example.org/agent/a", spki, ...period }
  assert.throws(() => signWith({ certificate: middle, privateKey }, content), /does not verify/)
})

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0
test("OpenSSL accepts the path, strictly", { skip: hasOpenssl ? false : "no openssl on this machine" }, () => {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-"))
  try {
    const { root, middle, leaf } = hierarchy()
    const write = (name: string, der: Uint8Array) => {
      writeFileSync(join(folder, name), pem("CERTIFICATE", der))
      return join(folder, name)
    }
    const files = { root: write("root", root.node.raw), middle: write("middle", middle.node.raw) }
    const leafFile = write("leaf", leaf.node.raw)
    for (const purpose of ["sslclient", "sslserver"]) {
      const strict = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", files.root, "-untrusted", files.middle]
      assert.match(execFileSync("openssl", [...strict, leafFile], { encoding: "utf8" }), /: OK/)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
})
