import assert from "node:assert/strict"
import { EventEmitter } from "node:events"
import { test } from "node:test"
import type { TLSSocket } from "node:tls"
import type { Agents, Principal } from "#agents"
import type { Epoch } from "#kernel"
import { createPeers } from "./peer.ts"

/** A connection as Node 24 has it: the chain is handed out once, after that the leaf alone. */
function connection(...chain: string[]): TLSSocket {
  let left = chain
  const read = () => {
    const [leaf, issuer] = left.map((name) => ({ raw: Buffer.from(name), fingerprint256: name }))
    left = left.slice(0, 1)
    return leaf && { ...leaf, issuerCertificate: issuer }
  }
  return Object.assign(new EventEmitter(), { getPeerX509Certificate: read }) as unknown as TLSSocket
}

test("a connection is judged again by the chain that it came with, when rights changed or its SVID is renewed", async () => {
  const judged: string[] = []
  const identify = async (chain: readonly Uint8Array[]) => {
    judged.push(chain.map((der) => Buffer.from(der).toString()).join(" "))
    return { kind: "agent", name: "support-bot", notAfterMs: 1_000 } as Principal
  }
  const epoch = { current: 1 }
  let nowMs = 0
  let isRevoked = false
  const peers = createPeers({
    agents: { identify, isRevoked: () => isRevoked } as unknown as Agents,
    epoch: epoch as Epoch,
    clock: { nowMs: () => nowMs },
  })
  const socket = connection("leaf", "intermediate")
  await peers.identify(socket)
  await peers.identify(socket)
  assert.deepEqual(judged, ["leaf intermediate"], "a judgement holds while nothing changed")
  epoch.current = 2
  await peers.identify(socket)
  nowMs = 1_000
  await peers.identify(socket, { forRenewal: true })
  assert.deepEqual(judged, Array(3).fill("leaf intermediate"))
  nowMs = 0
  await peers.identify(socket)
  assert.equal(judged.length, 3)
  isRevoked = true
  await peers.identify(socket)
  assert.equal(judged.length, 4, "revoked on this server alone, before the epoch moves")
})

test("a connection without a certificate is nobody", async () => {
  const agents = { identify: async () => assert.fail() } as unknown as Agents
  const peers = createPeers({ agents, epoch: { current: 1 } as Epoch, clock: { nowMs: () => 0 } })
  assert.equal(await peers.identify(connection()), null)
})
