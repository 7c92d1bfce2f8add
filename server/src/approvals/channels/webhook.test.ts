import assert from "node:assert/strict"
import { test } from "node:test"
import { Secret } from "#kernel"
import { type ConformanceChannel, channelConformance, messageOf } from "./channel.conformance.ts"
import { openWebhookReceiver, type WebhookReceiver } from "./webhook.fixture.ts"
import { webhookChannel, webhookSecretProblem } from "./webhook.ts"

const user = "user_0123456789abcdefghjkmnpqrs"

async function open(secret?: Secret | null): Promise<ConformanceChannel & { receiver: WebhookReceiver }> {
  const receiver = await openWebhookReceiver()
  const own = secret === undefined ? new Secret(receiver.secret) : secret
  const parts = { url: `${receiver.url}/hook`, network: "loopback", secret: async () => own, nowMs: Date.now } as const
  let isThere = true
  const vanish = async () => {
    if (isThere) await receiver[Symbol.asyncDispose]()
    isThere = false
  }
  return {
    receiver,
    channel: webhookChannel(parts),
    contact: { kind: "webhook", user },
    malformed: { kind: "email", address: "" },
    answer: (manner) => {
      receiver.manner = manner
    },
    arrived: () => receiver.caught.all.map(({ id, data }) => ({ seen: JSON.stringify(data), known: id })),
    vanish,
    [Symbol.asyncDispose]: vanish,
  }
}

channelConformance("webhook", () => open())

const inTime = () => AbortSignal.timeout(30_000)

test("webhook: a call is signed, and says for whom something waits and nothing of what", async () => {
  await using at = await open()
  const message = messageOf()
  await at.channel.deliver(message, at.contact, inTime())
  const [call] = at.receiver.caught.all
  assert.deepEqual([call!.id, call!.type], [message.id, "approvals.notice"])
  assert.deepEqual(call!.data, {
    user,
    sentence: message.sentence,
    url: message.url,
    count: 1,
    expiresAt: new Date(message.expiresAtMs).toISOString(),
  })
})

test("webhook: without the secret nothing is sent, and with another one it is not taken", async () => {
  await using none = await open(null)
  const unset = await none.channel.deliver(messageOf(), none.contact, inTime())
  assert.deepEqual(unset, { outcome: "undelivered", reason: "not-configured", isPermanent: false })
  await using other = await open(new Secret(`whsec_${Buffer.alloc(32).toString("base64")}`))
  assert.equal((await other.channel.deliver(messageOf(), other.contact, inTime())).outcome, "undelivered")
  assert.equal(none.receiver.caught.all.length + other.receiver.caught.all.length, 0)
})

test("webhook: a secret has the form and the length that Standard Webhooks asks for", () => {
  const of = (bytes: number) => `whsec_${Buffer.alloc(bytes, 1).toString("base64")}`
  for (const text of [of(24), of(32), of(64)]) assert.equal(webhookSecretProblem(text), null)
  for (const text of [of(23), of(65), "", "whsec_", of(32).slice(6), `${of(32)} `, "whsec_%%%"]) {
    assert.notEqual(webhookSecretProblem(text), null, text)
  }
})
