import assert from "node:assert/strict"
import type { KeyObject } from "node:crypto"
import { test } from "node:test"
import { generateKey, Refusal } from "#kernel"
import { type Certificate, KEY_USAGE, OID, readCertificate } from "./certificate.ts"
import { boolean, context, integer, namedBits, oid, sequence } from "./der-write.ts"
import { certify, extension, nameOf } from "./issue.ts"
import { type ValidationOptions, validateSvid } from "./validate.ts"

const HOUR = 3_600_000
const nowMs = Date.UTC(2026, 10, 22, 12)
const id = "spiffe://example.org/agent/support-bot"

type Part = { name: string; key: ReturnType<typeof generateKey> }
type Bend = {
  subject?: string
  uris?: string[]
  constraints?: Buffer | null
  usage?: number[] | null
  extended?: string[] | null
  more?: Buffer[]
  notBeforeMs?: number
  notAfterMs?: number
}

const part = (name: string): Part => ({ name, key: generateKey() })
const authorityUsage = [KEY_USAGE.keyCertSign, KEY_USAGE.cRLSign]
const authorityConstraints = (pathLength?: number) =>
  sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(Buffer.of(pathLength))]))

/** A certificate that is right but for the bends. */
function make(issuer: Part, privateKey: KeyObject, subject: Part, bend: Bend): Buffer {
  const names = (bend.uris ?? [id]).map((uri) => context(6, "primitive", Buffer.from(uri)))
  const list = [
    bend.constraints === null ? null : extension(OID.basicConstraints, true, bend.constraints ?? sequence()),
    bend.usage === null
      ? null
      : extension(OID.keyUsage, true, namedBits(...(bend.usage ?? [KEY_USAGE.digitalSignature]))),
    bend.extended === null
      ? null
      : extension(
          OID.extendedKeyUsage,
          false,
          sequence(...(bend.extended ?? [OID.serverAuth, OID.clientAuth]).map((each) => oid(each))),
        ),
    names.length === 0 ? null : extension(OID.subjectAltName, false, sequence(...names)),
    ...(bend.more ?? []),
  ]
  return certify(
    {
      issuer: nameOf(issuer.name),
      subject: nameOf(subject.name),
      spki: subject.key.spki,
      notBeforeMs: bend.notBeforeMs ?? nowMs - HOUR / 2,
      notAfterMs: bend.notAfterMs ?? nowMs + HOUR / 2,
      extensions: list.filter((each) => each !== null),
    },
    privateKey,
  )
}

const authority = (issuer: Part, subject: Part, bend: Bend = {}) =>
  make(issuer, issuer.key.privateKey, subject, {
    uris: ["spiffe://example.org"],
    constraints: authorityConstraints(),
    usage: authorityUsage,
    extended: null,
    ...bend,
  })

const root = part("root")
const middle = part("middle")
const agent = part("agent")
const rootDer = authority(root, root)
const middleDer = authority(root, middle)
const bundles = new Map([["example.org", [readCertificate(rootDer)]]])
const leaf = (bend: Bend = {}, issuer: Part = middle) => make(issuer, issuer.key.privateKey, agent, bend)

function validate(chain: Uint8Array[], options: Partial<ValidationOptions> = {}) {
  return validateSvid(chain, { bundles, nowMs, use: "client", ...options })
}

function refuses(
  chain: Uint8Array[],
  sentence: RegExp,
  options: Partial<ValidationOptions> = {},
  code = "svid-invalid",
) {
  assert.throws(
    () => validate(chain, options),
    (error) => {
      assert.ok(error instanceof Refusal, String(error))
      assert.equal(error.code, code)
      assert.match(error.message, sentence)
      return true
    },
  )
}

test("a leaf, its intermediate and a root of its own trust domain are an SVID", () => {
  const der = leaf()
  const svid = validate([der, middleDer])
  assert.equal(svid.id.text, id)
  assert.equal(svid.keyThumbprint, agent.key.kid)
  assert.equal(svid.notAfterMs, nowMs + HOUR / 2)
  assert.equal(svid.serial, readCertificate(der).node.serialNumber.toLowerCase())
  assert.equal(validate([der, middleDer], { use: "server" }).thumbprint, svid.thumbprint)
})

test("the root may be sent along, and a leaf may hang from the root itself", () => {
  assert.equal(validate([leaf(), middleDer, rootDer]).id.text, id)
  assert.equal(validate([leaf({}, root)]).id.text, id)
})

test("an empty chain is refused", () => refuses([], /empty/))
test("a chain longer than five is refused", () => refuses(Array<Buffer>(6).fill(leaf()), /longer/))
test("bytes that are no certificate are refused", () => refuses([Buffer.from("no")], /strict DER/))
test("a byte after the certificate is refused", () =>
  refuses([Buffer.concat([leaf(), Buffer.of(0)]), middleDer], /DER/))

test("two URIs are refused", () => refuses([leaf({ uris: [id, id] }), middleDer], /more than one URI/))
test("a second URI of another scheme is refused too", () =>
  refuses([leaf({ uris: [id, "https://example.org"] }), middleDer], /more than one URI/))
test("no alternative name is refused", () => refuses([leaf({ uris: [] }), middleDer], /no URI/))
test("another scheme is refused", () =>
  refuses([leaf({ uris: ["https://example.org/agent/a"] }), middleDer], /spiffe:/))
test("an ID without a path is refused", () => refuses([leaf({ uris: ["spiffe://example.org"] }), middleDer], /no path/))
test("a percent-encoded path is refused", () =>
  refuses([leaf({ uris: ["spiffe://example.org/agent%2Fsupport-bot"] }), middleDer], /character/))
test("a parent segment is refused", () =>
  refuses([leaf({ uris: ["spiffe://example.org/agent/../operator/admin"] }), middleDer], /dot segment/))
test("a comma that would add a name in printed form is refused", () =>
  refuses([leaf({ uris: [`${id}, URI:spiffe://example.org/operator/admin`] }), middleDer], /character/))

test("an authority's certificate is refused as a leaf", () =>
  refuses([leaf({ constraints: authorityConstraints() }), middleDer], /authority's certificate/))
test("a leaf whose key may sign certificates is refused", () =>
  refuses([leaf({ usage: [KEY_USAGE.digitalSignature, KEY_USAGE.keyCertSign] }), middleDer], /sign certificates/))
test("a leaf whose key may sign revocation lists is refused", () =>
  refuses([leaf({ usage: [KEY_USAGE.digitalSignature, KEY_USAGE.cRLSign] }), middleDer], /revocation lists/))
test("a leaf without digitalSignature is refused", () => refuses([leaf({ usage: [2] }), middleDer], /digitalSignature/))
test("a leaf without key usage is refused", () => refuses([leaf({ usage: null }), middleDer], /digitalSignature/))
test("a client without clientAuth is refused, and a server without serverAuth", () => {
  refuses([leaf({ extended: [OID.serverAuth] }), middleDer], /clientAuth/)
  refuses([leaf({ extended: [OID.clientAuth] }), middleDer], /serverAuth/, { use: "server" })
  refuses([leaf({ extended: null }), middleDer], /clientAuth/)
})

test("an expired leaf is svid-expired, to the second", () => {
  const notAfterMs = nowMs + HOUR / 2
  assert.equal(validate([leaf(), middleDer], { nowMs: notAfterMs }).notAfterMs, notAfterMs)
  refuses([leaf(), middleDer], /expired/, { nowMs: notAfterMs + 1 }, "svid-expired")
})
test("grace lets an expired leaf pass, and ends", () => {
  const day = 24 * HOUR
  const bend = { notBeforeMs: nowMs - 2 * day, notAfterMs: nowMs - day }
  assert.equal(validate([leaf(bend), middleDer], { graceMs: day }).id.text, id)
  refuses([leaf(bend), middleDer], /expired/, { graceMs: day - 1 }, "svid-expired")
})
test("a leaf that is expired and wrong is wrong, not expired", () =>
  refuses([leaf({ notAfterMs: nowMs - 1, uris: [id, id] }), middleDer], /more than one/))
test("a leaf that is not valid yet is refused", () =>
  refuses([leaf({ notBeforeMs: nowMs + 1_000 }), middleDer], /not valid yet/))
test("an expired intermediate and an expired root are refused", () => {
  const old = authority(root, middle, { notAfterMs: nowMs - 1_000 })
  refuses([leaf(), old], /above it expired/, { graceMs: HOUR }, "svid-expired")
  const oldRoot = readCertificate(authority(root, root, { notAfterMs: nowMs - 1_000 }))
  refuses([leaf(), middleDer], /above it/, { bundles: new Map([["example.org", [oldRoot]]]) }, "svid-expired")
})

test("a trust domain without a bundle is refused, though its root is held for another", () => {
  const foreign = leaf({ uris: ["spiffe://other.org/agent/a"] })
  refuses([foreign, middleDer], /no bundle for the trust domain other.org/)
})
test("a trust domain's root cannot vouch for another domain's IDs, when both bundles are held", () => {
  const otherRoot = part("other root")
  const otherDer = authority(otherRoot, otherRoot, { uris: ["spiffe://other.org"] })
  const both = new Map([...bundles, ["other.org", [readCertificate(otherDer)]]])
  const forged = leaf({}, otherRoot)
  refuses([forged], /does not end at a root/, { bundles: both })
  refuses([forged, otherDer], /does not end at a root/, { bundles: both })
  assert.equal(validate([leaf({ uris: ["spiffe://other.org/a"] }, otherRoot)], { bundles: both }).id.path, "/a")
})
test("an empty bundle trusts nothing", () =>
  refuses([leaf(), middleDer], /no bundle/, { bundles: new Map<string, Certificate[]>([["example.org", []]]) }))

test("an intermediate that is not an authority is refused", () => {
  refuses([leaf(), authority(root, middle, { constraints: sequence() })], /not an authority/)
  refuses([leaf(), authority(root, middle, { constraints: null })], /not an authority/)
})
test("an intermediate that may not sign certificates is refused", () =>
  refuses([leaf(), authority(root, middle, { usage: [KEY_USAGE.cRLSign] })], /may not sign/))
test("a leaf cannot issue a leaf", () => {
  const stolen = make(agent, agent.key.privateKey, part("thief"), {})
  refuses([stolen, leaf(), middleDer], /not an authority/)
})
test("an intermediate for other uses is refused", () =>
  refuses([leaf(), authority(root, middle, { extended: [OID.serverAuth] })], /clientAuth/))
test("an authority's bound on the authorities below it holds", () => {
  const lower = part("lower")
  const chain = (pathLength: number) => [
    leaf({}, lower),
    authority(middle, lower),
    authority(root, middle, { constraints: authorityConstraints(pathLength) }),
  ]
  assert.equal(validate(chain(1)).id.text, id)
  refuses(chain(0), /more authorities/)
})
test("the root's own bound holds too", () => {
  const tight = readCertificate(authority(root, root, { constraints: authorityConstraints(0) }))
  refuses([leaf(), middleDer], /more authorities/, { bundles: new Map([["example.org", [tight]]]) })
})

test("a leaf by another issuer of the same name is refused", () => {
  const impostor = part("middle")
  refuses([leaf({}, impostor), middleDer], /not issued by the next/)
})
test("a root of the same name with another key is refused", () => {
  const impostor = part("root")
  const chain = [leaf({}, middle), authority(impostor, middle)]
  refuses(chain, /does not end at a root/)
})
test("a missing intermediate is refused", () => refuses([leaf()], /does not end at a root/))
test("a chain in the wrong order is refused", () => {
  const lower = part("lower")
  const chain = [leaf({}, lower), authority(middle, lower), middleDer]
  assert.equal(validate(chain).id.text, id)
  refuses([chain[0]!, chain[2]!, chain[1]!], /not issued by the next/)
  refuses([middleDer, leaf()], /no path/)
})
test("a certificate that belongs to nobody in the chain is refused", () =>
  refuses([leaf(), middleDer, leaf()], /not an authority/))

test("a flipped bit anywhere in the leaf is refused", () => {
  const der = leaf()
  for (let at = 0; at < der.length; at += 1) {
    const bent = Buffer.from(der)
    bent[at]! ^= 0x01
    assert.throws(() => validate([bent, middleDer]), { code: "svid-invalid" }, `byte ${at}`)
  }
})

test("a critical extension that is not understood is refused, name constraints among them", () => {
  const nameConstraints = extension("2.5.29.30", true, sequence())
  refuses([leaf(), authority(root, middle, { more: [nameConstraints] })], /2\.5\.29\.30/)
  refuses([leaf({ more: [extension("1.2.3.4", true, sequence())] }), middleDer], /1\.2\.3\.4/)
  assert.equal(validate([leaf({ more: [extension("1.2.3.4", false, sequence())] }), middleDer]).id.text, id)
})
test("an extension that is there twice is refused", () => {
  const second = extension(OID.subjectAltName, false, sequence(context(6, "primitive", Buffer.from(id))))
  refuses([leaf({ more: [second] }), middleDer], /twice/)
})
