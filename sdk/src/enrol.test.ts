import assert from "node:assert/strict"
import { createHash, createPublicKey, type KeyObject, randomBytes } from "node:crypto"
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import type { IncomingMessage, RequestListener } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { enrol } from "./enrol.ts"
import { SafeconductError } from "./errors.ts"
import { loadIdentity } from "./identity.ts"
import { issue, issueServer, type TestCertificate } from "./testing/certificates.ts"
import { listen } from "./testing/server.ts"

const TD = "test.example"
const ID = `spiffe://${TD}/agent/support-bot`
const { root, server } = issueServer(TD)
const hashOf = ({ der }: TestCertificate) => createHash("sha256").update(der).digest("base64url")
const tokenFor = (authority: TestCertificate) => `${randomBytes(32).toString("base64url")}.${hashOf(authority)}`
const refuses = (code: string) => (error: unknown) => error instanceof SafeconductError && error.code === code

/** Certifies the key of whatever request comes, as the server would; the database behind it is not what is tested here. */
function authority(overrides: { id?: string; spki?: KeyObject } = {}) {
  const requests: { url: string; body: { token: string; csr: string } }[] = []
  const answer: RequestListener = async (request, response) => {
    const body = JSON.parse(await textOf(request)) as { token: string; csr: string }
    requests.push({ url: request.url ?? "", body })
    const leaf = issue({
      name: "bot",
      uris: [overrides.id ?? ID],
      issuer: root,
      spki: overrides.spki ?? keyIn(body.csr),
    })
    const issued = { spiffeId: ID, instance: "instance_1", svid: leaf.pem, bundle: root.pem, trustDomain: TD }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(issued))
  }
  return { requests, answer }
}

async function inFolder(run: (folder: string) => Promise<void>) {
  const parent = await mkdtemp(join(tmpdir(), "enrol-"))
  try {
    await run(join(parent, "identity"))
  } finally {
    await rm(parent, { recursive: true })
  }
}

test("an enrolment leaves a key that only the owner reads, and an identity that loads again", () =>
  inFolder(async (folder) => {
    const { requests, answer } = authority()
    await using listening = await listen(server, [root], answer)
    const made = await enrol({ url: `${listening.url}/ignored`, joinToken: tokenFor(root), folder })
    const loaded = await loadIdentity(folder)
    assert.equal(loaded?.spiffeId, ID)
    assert.equal(loaded?.url, listening.url)
    assert.equal(loaded?.notAfterMs, made.notAfterMs)
    assert.equal((await stat(join(folder, "key.pem"))).mode & 0o777, 0o600)
    assert.equal((await stat(folder)).mode & 0o777, 0o700)
    assert.deepEqual((await readdir(folder)).sort(), ["bundle.pem", "identity.json", "key.pem", "svid.pem"])
    assert.equal(requests.length, 1)
    assert.equal(JSON.stringify(requests).includes("PRIVATE"), false)
  }))

test("an enrolment whose answer was lost asks again with the same key, also after a restart; another token gets another key", () =>
  inFolder(async (folder) => {
    const { requests, answer } = authority()
    let losing = 6
    await using listening = await listen(server, [root], (request, response) => {
      losing -= 1
      if (losing < 0) return answer(request, response)
      request.on("end", () => request.socket.destroy()).on("data", (part: Buffer) => sent.push(part.toString()))
    })
    const sent: string[] = []
    const joinToken = tokenFor(root)
    // Four attempts of one process, and two of the next.
    await assert.rejects(enrol({ url: listening.url, joinToken, folder }), refuses("unreachable"))
    assert.equal((await readdir(folder)).length, 1)
    assert.equal((await stat(join(folder, (await readdir(folder))[0]!))).mode & 0o777, 0o600)
    const identity = await enrol({ url: listening.url, joinToken, folder })
    const keys = [...sent.map((text) => JSON.parse(text) as { csr: string }), requests[0]!.body].map(({ csr }) =>
      keyIn(csr).export({ type: "spki", format: "der" }).toString("hex"),
    )
    assert.equal(keys.length, 7)
    assert.equal(new Set(keys).size, 1)
    assert.deepEqual((await readdir(folder)).sort(), ["bundle.pem", "identity.json", "key.pem", "svid.pem"])
    const other = await enrol({ url: listening.url, joinToken: tokenFor(root), folder })
    assert.equal(other.privateKey.equals(identity.privateKey), false)
  }))

test("a join token that names another root sends nothing, not even the token", () =>
  inFolder(async (folder) => {
    const { requests, answer } = authority()
    await using listening = await listen(server, [root], answer)
    const joinToken = tokenFor(issueServer(TD).root)
    await assert.rejects(enrol({ url: listening.url, joinToken, folder }), refuses("server-not-trusted"))
    assert.deepEqual(requests, [])
    assert.equal(await loadIdentity(folder), null)
  }))

test("showing our root beside a chain of one's own does not get the token", () =>
  inFolder(async (folder) => {
    const { requests, answer } = authority()
    // The thief names the root as issuer, so that the chain looks whole, but cannot sign with its key.
    const thief = issue({
      name: "server",
      uris: [`spiffe://${TD}/server`],
      issuer: { ...issueServer(TD).root, name: "root" },
    })
    await using listening = await listen(thief, [root], answer)
    const joinToken = tokenFor(root)
    await assert.rejects(enrol({ url: listening.url, joinToken, folder }), refuses("server-not-trusted"))
    assert.deepEqual(requests, [])
  }))

test("an agent of the same trust domain does not get the token", () =>
  inFolder(async (folder) => {
    const { requests, answer } = authority()
    const agent = issue({ name: "agent", uris: [`spiffe://${TD}/agent/greedy`], issuer: root })
    await using listening = await listen(agent, [root], answer)
    const joinToken = tokenFor(root)
    await assert.rejects(enrol({ url: listening.url, joinToken, folder }), refuses("server-not-trusted"))
    assert.deepEqual(requests, [])
  }))

test("an SVID for another key, or another name, is not kept", () =>
  inFolder(async (folder) => {
    for (const overrides of [{ spki: createPublicKey(server.key) }, { id: `spiffe://${TD}/agent/other` }]) {
      await using listening = await listen(server, [root], authority(overrides).answer)
      const joinToken = tokenFor(root)
      await assert.rejects(enrol({ url: listening.url, joinToken, folder }), refuses("identity-broken"))
      assert.equal(await loadIdentity(folder), null)
    }
  }))

test("what is not a join token is refused before a connection is made", () =>
  inFolder(async (folder) => {
    for (const joinToken of ["", "abc", `${"a".repeat(43)}`, `${"a".repeat(43)}.${"a".repeat(42)}`]) {
      const url = "https://127.0.0.1:1"
      await assert.rejects(enrol({ url, joinToken, folder }), refuses("join-token-invalid"))
    }
  }))

test("an identity whose key was exchanged, or that cannot be read, is broken and says so", () =>
  inFolder(async (folder) => {
    await using listening = await listen(server, [root], authority().answer)
    await enrol({ url: listening.url, joinToken: tokenFor(root), folder })
    await writeFile(join(folder, "key.pem"), server.keyPem)
    await assert.rejects(loadIdentity(folder), refuses("identity-broken"))
    await writeFile(join(folder, "identity.json"), "{")
    await assert.rejects(loadIdentity(folder), refuses("identity-broken"))
    assert.ok((await readFile(join(folder, "svid.pem"), "utf8")).startsWith("-----BEGIN CERTIFICATE-----"))
  }))

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ""
  for await (const part of request) text += part
  return text
}

/** Finds the request's public key by the prefix that every P-256 SubjectPublicKeyInfo has. */
function keyIn(csr: string): KeyObject {
  const der = Buffer.from(csr.replaceAll(/-----[^-]+-----|\s/g, ""), "base64")
  const at = der.indexOf(Buffer.from("3059301306072a8648ce3d0201", "hex"))
  return createPublicKey({ key: der.subarray(at, at + 91), type: "spki", format: "der" })
}
