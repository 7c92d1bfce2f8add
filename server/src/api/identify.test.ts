import assert from "node:assert/strict"
import { test } from "node:test"
import { z } from "zod"
import type { AgentPrincipal, ProvenKey } from "#agents"
import { Refusal, route, silentLog } from "#kernel"
import { manualClock } from "#testing"
import { type ApiRoute, createApplication } from "./application.ts"
import { byCertificate, byProof, type ProofReader } from "./identify.ts"
import { createLimiter } from "./limiter.ts"
import type { Peers } from "./peer.ts"

const agent: AgentPrincipal = {
  kind: "agent",
  spiffeId: "spiffe://example.org/agent/bot",
  name: "bot",
  agentId: "agent_1",
  instance: "instance_1",
  serial: "0a",
  confirmation: { jkt: "known" },
  notAfterMs: 1e15,
}

const token = route({
  method: "POST",
  path: "/oauth2/token",
  listeners: ["web"],
  right: "agent",
  events: null,
  summary: "",
  body: z.looseObject({ client_assertion: z.string() }),
  bodyType: "form",
  handle: () => ({}),
}) as unknown as ApiRoute

/** A web listener whose every request comes from one address; the assertion names the key. */
function behindProxy() {
  const lookedUp: string[] = []
  const sessions: ProofReader = {
    readAssertion: (_, form) => {
      const jkt = (form as { client_assertion: string }).client_assertion
      return { client: agent.spiffeId, jti: "jti", expiresAtMs: 1e15, proof: { jkt, keyThumbprint: jkt } as never }
    },
    useAssertion: async () => undefined,
    verifyProof: () => Promise.reject(new Error("no token is shown here")),
    dpopNonce: () => "nonce",
  }
  const agents = {
    knows: ({ keyThumbprint }: Pick<ProvenKey, "keyThumbprint">) => keyThumbprint.startsWith("known"),
    async identifyKey({ jkt }: ProvenKey, { forRenewal = false } = {}) {
      lookedUp.push(jkt)
      if (jkt === "known, expired" && forRenewal) return agent
      if (jkt === "known, expired") throw new Refusal("svid-expired", "Its SVID has expired.")
      if (jkt.startsWith("known") || jkt === "new") return agent
      throw new Refusal("identity-unknown", "This key is no agent's.")
    },
  }
  const limiter = createLimiter(manualClock(), { burst: 2, perSecond: 1 })
  const known = createLimiter(manualClock(), { burst: 3, perSecond: 1 })
  const identification = byProof({ agents, sessions, limits: { known, strangers: limiter } })
  const app = createApplication({ listener: "web", routes: [token], identification, limiter, log: silentLog })
  const env = { incoming: { socket: { remoteAddress: "127.0.0.1" } } }
  const ask = async (key: string, form: Record<string, string> = {}) => {
    const body = new URLSearchParams({ client_assertion: key, ...form })
    return (await app.fetch(new Request("http://localhost/oauth2/token", { method: "POST", body }), env)).status
  }
  return { ask, lookedUp }
}

test("strangers behind a proxy use up no turn of a key that is known, and it none of another's", async () => {
  const { ask, lookedUp } = behindProxy()
  assert.deepEqual([await ask("stranger"), await ask("other stranger"), await ask("third")], [401, 401, 429])
  assert.equal(lookedUp.includes("third"), false, "whoever has no turn is not looked up")
  const known = [await ask("known"), await ask("known"), await ask("known"), await ask("known")]
  assert.deepEqual(known, [200, 200, 200, 429])
  assert.equal(await ask("known too"), 200)
})

test("a key that was not seen here before takes a turn of its address", async () => {
  const { ask } = behindProxy()
  assert.deepEqual([await ask("new"), await ask("stranger"), await ask("new")], [200, 401, 429])
})

test("an SVID that has expired gets an agent a token of its own, to renew it with, and nothing else", async () => {
  const grant_type = "client_credentials"
  const forms = [
    { grant_type },
    {},
    { grant_type, safeconduct_session: "session_1" },
    { grant_type: "authorization_code" },
  ]
  const asked = forms.map(async (form) => await behindProxy().ask("known, expired", form))
  assert.deepEqual(await Promise.all(asked), [200, 401, 401, 401])
})

test("at the agents' listener each instance has turns of its own, and who shows no certificate those of the address", async () => {
  const bucket = (burst: number) => createLimiter(manualClock(), { burst, perSecond: 1 })
  let caller: string | null = null
  const peers: Peers = {
    identify: async () => (caller === null ? null : { ...agent, instance: caller }),
    closeAll: () => undefined,
  }
  const limits = { known: bucket(3), strangers: bucket(1) }
  const identification = byCertificate({ peers, limits })
  const routes = [{ ...token, body: z.looseObject({}), listeners: ["agents"] } as unknown as ApiRoute]
  const app = createApplication({ listener: "agents", routes, identification, limiter: bucket(0), log: silentLog })
  const env = { incoming: { socket: { remoteAddress: "192.0.2.1" } } }
  const ask = async (instance: string | null) => {
    caller = instance
    return (
      await app.fetch(
        new Request("http://localhost/oauth2/token", { method: "POST", body: new URLSearchParams() }),
        env,
      )
    ).status
  }
  assert.deepEqual([await ask(null), await ask(null)], [401, 429])
  const one = [await ask("instance_1"), await ask("instance_1"), await ask("instance_1"), await ask("instance_1")]
  assert.deepEqual(one, [200, 200, 200, 429])
  assert.equal(await ask("instance_2"), 200)
})
