import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto"
import { test } from "node:test"
import { createRequest } from "./csr.ts"
import { integer, oid, sequence } from "./der.ts"

const ec = () => generateKeyPairSync("ec", { namedCurve: "P-256" })

test("a request carries the public key and a signature by its private half", () => {
  const { privateKey, publicKey } = ec()
  const { info, spki, signature } = read(createRequest(privateKey))
  assert.deepEqual(spki, publicKey.export({ type: "spki", format: "der" }))
  assert.ok(verify("sha256", info, createPublicKey({ key: spki, type: "spki", format: "der" }), signature))
})

test("a request whose key was exchanged no longer verifies", () => {
  const { info, signature } = read(createRequest(ec().privateKey))
  assert.equal(verify("sha256", info, ec().publicKey, signature), false)
})

test("a request never holds the private key", () => {
  const { privateKey } = ec()
  const d = Buffer.from(privateKey.export({ format: "jwk" }).d!, "base64url")
  assert.equal(body(createRequest(privateKey)).includes(d), false)
})

test("integers are minimal and stay positive, identifiers use base 128", () => {
  assert.equal(integer(Uint8Array.of(0, 0, 5)).toString("hex"), "020105")
  assert.equal(integer(Uint8Array.of(0x80)).toString("hex"), "02020080")
  assert.equal(integer(Uint8Array.of()).toString("hex"), "020100")
  assert.equal(oid("1.2.840.10045.4.3.2").toString("hex"), "06082a8648ce3d040302")
  assert.equal(sequence(Buffer.alloc(300)).subarray(0, 4).toString("hex"), "3082012c")
})

function body(request: string): Buffer {
  return Buffer.from(request.replaceAll(/-----[^-]+-----|\s/g, ""), "base64")
}

/** Takes the request apart by hand: SEQUENCE { info, algorithm, BIT STRING }, info = SEQUENCE { 0, {}, spki, [0] }. */
function read(request: string) {
  const [info, , bits] = children(body(request))
  const [, , spki] = children(info!)
  return { info: info!, spki: spki!, signature: contents(bits!).subarray(1) }
}

function header(der: Buffer): { start: number; length: number } {
  const first = der[1]!
  if (first < 0x80) return { start: 2, length: first }
  const count = first & 0x7f
  return { start: 2 + count, length: der.readUIntBE(2, count) }
}

function contents(der: Buffer): Buffer {
  const { start, length } = header(der)
  return der.subarray(start, start + length)
}

function children(der: Buffer): Buffer[] {
  const found: Buffer[] = []
  for (let rest = contents(der); rest.length > 0; ) {
    const { start, length } = header(rest)
    found.push(rest.subarray(0, start + length))
    rest = rest.subarray(start + length)
  }
  return found
}
