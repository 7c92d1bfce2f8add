import assert from "node:assert/strict"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { enrol } from "./enrol.ts"
import { type Identity, loadIdentity, peerOf } from "./identity.ts"
import { isBeyondRenewal, keepIdentity } from "./renewal.ts"
import { type Deployment, deploy } from "./testing/deployment.ts"
import { openTransport } from "./transport.ts"

const HOUR_MS = 3_600_000
let deployment: Deployment
let identity: Identity

before(async () => {
  deployment = await deploy()
  const joinToken = await deployment.joinToken()
  identity = await enrol({ url: deployment.server.agentsUrl, joinToken, folder: join(deployment.folder, "bot") })
})
after(() => deployment?.[Symbol.asyncDispose]())

/** The same identity, as it will look to a process that starts that much later. */
const later = (hours: number): Identity => ({
  ...identity,
  notBeforeMs: identity.notBeforeMs - hours * HOUR_MS,
  notAfterMs: identity.notAfterMs - hours * HOUR_MS,
})

test("an SVID past half of its life is renewed at once, in the background", async () => {
  using transport = openTransport(peerOf(identity))
  const { promise, resolve, reject } = Promise.withResolvers<Identity>()
  using _kept = keepIdentity({ identity: later(0.6), transport, onRenewed: resolve, onProblem: reject })
  const renewed = await promise
  assert.notEqual(renewed.svid, identity.svid)
  assert.equal((await loadIdentity(identity.folder))!.svid, renewed.svid)
  assert.equal(transport.peer.credentials!.svid, renewed.svid)
})

test("a renewal that fails is told, also when the SVID has expired, and tried again until it succeeds", async () => {
  const nowhere = { ...peerOf(identity), url: "https://127.0.0.1:1" }
  using transport = openTransport(nowhere)
  const { promise, resolve } = Promise.withResolvers<Identity>()
  const told: string[] = []
  using _kept = keepIdentity({
    identity: later(1.5),
    transport,
    onRenewed: resolve,
    onProblem({ code }) {
      told.push(code)
      transport.setPeer(peerOf(identity))
    },
  })
  await promise
  assert.deepEqual(told, ["unreachable"])
})

test("a day after its end an SVID is beyond renewal", () => {
  assert.equal(isBeyondRenewal(identity, identity.notAfterMs + 23 * HOUR_MS), false)
  assert.equal(isBeyondRenewal(identity, identity.notAfterMs + 25 * HOUR_MS), true)
})

test("renewals stop when the agent is retired, and say so", async () => {
  const path = "/v1/agents/support-bot/retirement"
  await deployment.operator.json({ method: "POST", path, body: { reason: "test" } })
  using transport = openTransport(peerOf((await loadIdentity(identity.folder))!))
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  using _kept = keepIdentity({
    identity: later(0.6),
    transport,
    onRenewed: () => reject(new Error("renewed a retired agent")),
    onProblem: ({ code }) => resolve(code),
  })
  assert.equal(await promise, "agent-retired")
})
