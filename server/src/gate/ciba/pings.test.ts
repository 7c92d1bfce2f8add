import assert from "node:assert/strict"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { after, before, beforeEach, describe, test } from "node:test"
import { refusalCode } from "#kernel"
import { openTestCiba, type TestCiba } from "./ciba.fixture.ts"
import { startPings } from "./pings.ts"

/** What came to the agent's endpoint. */
type Came = { method: string; url: string; authorization: string; type: string; body: string }

const came: Came[] = []
let answer: (response: ServerResponse) => unknown
let arrived = Promise.withResolvers<void>()

const endpoint = createServer(async (request: IncomingMessage, response: ServerResponse) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const { authorization = "", "content-type": type = "" } = request.headers
  came.push({ method: request.method!, url: request.url!, authorization, type, body: Buffer.concat(chunks).toString() })
  answer(response)
  arrived.resolve()
})

const notificationToken = "the-agent-made-this-one-up"

describe("pings", () => {
  let ciba: TestCiba
  let url: string
  before(async () => {
    await new Promise<void>((resolve) => endpoint.listen(0, "127.0.0.1", resolve))
    url = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/pings`
    ciba = await openTestCiba({ delivery: "ping", notificationEndpoint: url, network: "loopback" })
  })
  after(async () => {
    await ciba?.[Symbol.asyncDispose]()
    endpoint.close()
    endpoint.closeAllConnections()
  })
  beforeEach(async () => {
    came.length = 0
    arrived = Promise.withResolvers<void>()
    answer = (response) => response.writeHead(204).end()
    await ciba.at.gate.store.owner.query("update approvals.backchannel_requests set ping = null, ping_due_at = null")
  })

  const owed = async () => {
    const { owner } = ciba.at.gate.store
    const rows = await owner.query("select 1 from approvals.backchannel_requests where ping is not null")
    return rows.length
  }
  /** Asked and denied: a ping is owed. */
  const decided = async () => {
    const { auth_req_id: id } = await ciba.ask({ client_notification_token: notificationToken })
    const [approval] = await ciba.rooms.approvals.list({ limit: 1 })
    await ciba.at.decide(approval!.id, ciba.at.alice, "deny", "session")
    return id
  }
  /** Pings go out once; what is due then has been tried when this returns. */
  const pingOnce = async (rooms = ciba.rooms) => {
    const pinging = startPings({ ...rooms, lookMs: 3_600_000 })
    await pinging[Symbol.asyncDispose]()
  }
  const dueAgain = () =>
    ciba.at.gate.store.owner.query(
      "update approvals.backchannel_requests set ping_due_at = now() where ping is not null",
    )

  test("CIBA Core §10.2, pitfall 27: a ping has the token that the agent gave, says which request it is, and nothing of what was decided", async () => {
    const id = await decided()
    await pingOnce()
    assert.deepEqual(came, [
      {
        method: "POST",
        url: "/pings",
        authorization: `Bearer ${notificationToken}`,
        type: "application/json",
        body: JSON.stringify({ auth_req_id: id }),
      },
    ])
    assert.equal(await owed(), 0)
    await dueAgain()
    await pingOnce()
    assert.equal(came.length, 1)
    await assert.rejects(ciba.poll(id), (error) => refusalCode(error) === "approval-denied")
  })

  test("nothing is sent before it is decided, and it is sent by itself then, whichever server decided", async () => {
    await using other = await ciba.at.gate.another()
    const { auth_req_id: id } = await ciba.ask({ client_notification_token: notificationToken })
    await pingOnce()
    assert.equal(came.length, 0)
    await using _pinging = startPings({ ...ciba.rooms, lookMs: 20 })
    const [approval] = await ciba.rooms.approvals.list({ limit: 1 })
    const { id: user, provider, sub } = ciba.at.alice
    const proven = { way: "session", evidence: {} } as const
    const decision = {
      id: approval!.id,
      person: { id: user, provider, sub },
      decision: "deny",
      proven,
      statement: null,
    } as const
    await other.rooms.audit.commit(other.rooms.approvals.decide(decision))
    await arrived.promise
    assert.equal(came[0]!.body, JSON.stringify({ auth_req_id: id }))
  })

  for (const status of [200, 204]) {
    test(`CIBA Core §10.2: ${status} is enough`, async () => {
      answer = (response) => response.writeHead(status).end(status === 200 ? "whatever" : undefined)
      await decided()
      await pingOnce()
      assert.deepEqual([came.length, await owed()], [1, 0])
    })
  }

  for (const status of [400, 401, 403, 404, 410]) {
    test(`CIBA Core §10.2: after ${status} it is not repeated`, async () => {
      answer = (response) => response.writeHead(status).end()
      await decided()
      await pingOnce()
      await dueAgain()
      await pingOnce()
      assert.deepEqual([came.length, await owed()], [1, 0])
    })
  }

  for (const status of [429, 500, 503]) {
    test(`after ${status} it is tried again, later`, async () => {
      answer = (response) => response.writeHead(status).end()
      await decided()
      await pingOnce()
      await pingOnce()
      assert.deepEqual([came.length, await owed()], [1, 1], "not at once")
      answer = (response) => response.writeHead(204).end()
      await dueAgain()
      await pingOnce()
      assert.deepEqual([came.length, await owed()], [2, 0])
    })
  }

  for (const status of [301, 302, 307, 308]) {
    test(`CIBA Core §10.2, pitfall 17: a redirect (${status}) is not followed`, async () => {
      answer = (response) => response.writeHead(status, { location: `${url}/elsewhere` }).end()
      await decided()
      await pingOnce()
      assert.deepEqual(
        came.map((each) => each.url),
        ["/pings"],
      )
    })
  }

  test("an agent that is not there is tried eight times, and then no more", async () => {
    answer = (response) => response.destroy()
    await decided()
    for (let nth = 0; nth < 12; nth++) {
      await dueAgain()
      await pingOnce()
    }
    assert.deepEqual([came.length, await owed()], [8, 0])
  })

  test("what was fetched meanwhile is not pinged", async () => {
    const { auth_req_id: id } = await ciba.ask({ client_notification_token: notificationToken })
    const [approval] = await ciba.rooms.approvals.list({ limit: 1 })
    await ciba.at.decide(approval!.id, ciba.at.alice)
    await ciba.poll(id)
    await pingOnce()
    assert.deepEqual([came.length, await owed()], [0, 0])
  })

  test("an agent is pinged where it is registered now, and one that is stopped is not", async () => {
    const elsewhere = { delivery: "ping", notificationEndpoint: `${url}/moved`, network: "loopback" }
    await decided()
    await ciba.configure(elsewhere)
    await pingOnce()
    assert.deepEqual(
      came.map((each) => each.url),
      ["/pings/moved"],
    )
    for (const none of [{ delivery: "poll" }, null]) {
      await ciba.configure(elsewhere)
      await decided()
      await ciba.configure(none)
      await pingOnce()
      assert.deepEqual([came.length, await owed()], [1, 0])
    }
    await ciba.configure(elsewhere)
    await decided()
    const { agents } = ciba.rooms
    const suspended = {
      ...ciba.rooms,
      agents: { ...agents, agent: () => ({ ...agents.agent("bot")!, state: "suspended" }) },
    }
    await pingOnce(suspended as never)
    assert.deepEqual([came.length, await owed()], [1, 0])
  })

  test("pitfall 17: what is registered as public is never reached on this machine", async () => {
    // Such a name leads here.
    const { port } = endpoint.address() as AddressInfo
    await ciba.configure({
      delivery: "ping",
      notificationEndpoint: `https://localhost:${port}/pings`,
      network: "public",
    })
    await decided()
    const why: string[] = []
    const info = (_: string, { error }: { error?: unknown } = {}) => void why.push(String(error))
    await pingOnce({ ...ciba.rooms, log: { ...ciba.rooms.log, info: info as never } })
    assert.match(why.join(), /the name leads to an address where no provider of the network "public" is asked/)
    assert.deepEqual([came.length, await owed()], [0, 1])
  })

  test("who is pinged has to send a token for it", async () => {
    await ciba.configure({ delivery: "ping", notificationEndpoint: url, network: "loopback" })
    await assert.rejects(ciba.ask(), (error) => refusalCode(error) === "invalid-request")
  })
})
