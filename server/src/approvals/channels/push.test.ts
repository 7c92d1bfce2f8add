import assert from "node:assert/strict"
import { test } from "node:test"
import webPush from "web-push"
import { Secret } from "#kernel"
import { decryptPush, openPushService, type PushService } from "#testing"
import { type ConformanceChannel, channelConformance, messageOf } from "./channel.conformance.ts"
import { type PushParts, pushChannel } from "./push.ts"

const pair = webPush.generateVAPIDKeys()
const key = { publicKey: pair.publicKey, privateKey: new Secret(pair.privateKey) }
const channelWith = (more: Partial<PushParts> = {}) =>
  pushChannel({
    contact: "mailto:operator@example.org",
    network: "loopback",
    key: async () => key,
    nowMs: () => Date.now(),
    ...more,
  })

async function open(): Promise<ConformanceChannel & { service: PushService }> {
  const service = await openPushService()
  const contact = service.subscribe()
  let isThere = true
  const vanish = async () => {
    if (isThere) await service[Symbol.asyncDispose]()
    isThere = false
  }
  return {
    service,
    channel: channelWith(),
    contact,
    malformed: { ...contact, p256dh: "AAAA" },
    answer: (manner) => {
      service.manner = manner
    },
    arrived: () =>
      service.caught.all.map(({ notification, topic }) => ({ seen: JSON.stringify(notification), known: topic })),
    vanish,
    [Symbol.asyncDispose]: vanish,
  }
}

channelConformance("push", open)

const inTime = () => AbortSignal.timeout(30_000)

test("push: the catcher reads what RFC 8291 §5 encrypted", () => {
  const receiver = {
    privateKey: Buffer.from("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94", "base64url"),
    publicKey: Buffer.from(
      "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
      "base64url",
    ),
    auth: Buffer.from("BTBZMqHH6r4Tts7J_aSIgg", "base64url"),
  }
  const body = Buffer.from(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN",
    "base64url",
  )
  assert.equal(decryptPush(receiver, body), "When I grow up, I want to be a watermelon")
})

test("push: a message is declarative, urgent, kept for as long as it is of use, and replaces an earlier one", async () => {
  await using at = await open()
  const receiptUrl = "https://safeconduct.example/approvals/notices/notice_1/receipt"
  await at.channel.deliver(messageOf({ receiptUrl, count: 3 }), at.contact, inTime())
  await at.channel.deliver(messageOf({ isSilent: true }), at.contact, inTime())
  const [caught, silent] = at.service.caught.all
  assert.equal(caught!.web_push, 8030)
  assert.equal(caught!.app_badge, "3")
  const { tag, ...shown } = caught!.notification
  assert.deepEqual(shown, {
    title: "Safeconduct",
    body: "Something waits for your decision.",
    navigate: messageOf().url,
    silent: false,
    data: { receipt: receiptUrl },
  })
  assert.ok(caught!.ttlSeconds > 290 && caught!.ttlSeconds <= 300, String(caught!.ttlSeconds))
  assert.deepEqual([caught!.urgency, silent!.urgency, silent!.notification.silent], ["high", "low", true])
  assert.match(caught!.topic, /^[\w-]{32}$/)
  assert.equal(tag, caught!.topic)
  assert.equal(silent!.topic, caught!.topic)
  assert.ok(!caught!.topic.includes("notice"))
  assert.deepEqual([caught!.vapid.sub, caught!.vapid.key], ["mailto:operator@example.org", key.publicKey])
})

test("push: a subscription that the service does not know any more is gone", async () => {
  await using at = await open()
  at.answer("gone")
  const gone = { outcome: "undelivered", reason: "gone", isPermanent: true }
  assert.deepEqual(await at.channel.deliver(messageOf(), at.contact, inTime()), gone)
  at.answer("take")
  const unknown = { ...at.contact, endpoint: `${at.service.url}/push/nobody` } as typeof at.contact
  assert.deepEqual(await at.channel.deliver(messageOf(), unknown, inTime()), gone)
})

test("push: what every push service takes is the most that is sent", async () => {
  await using at = await open()
  const length = (sentence: string) => JSON.stringify(sentence).length
  const fits = "x".repeat(3_993 - (await payloadBytes(at)) + length("Something waits for your decision.") - 2)
  assert.equal((await at.channel.deliver(messageOf({ sentence: fits }), at.contact, inTime())).outcome, "delivered")
  assert.equal(at.service.caught.all.at(-1)!.bytes, 4_096)
  const over = await at.channel.deliver(messageOf({ sentence: `${fits}x` }), at.contact, inTime())
  assert.deepEqual(over, { outcome: "undelivered", reason: "refused", isPermanent: true })
})

test("push: what is over is not sent any more", async () => {
  await using at = await open()
  const late = await at.channel.deliver(messageOf({ expiresAtMs: Date.now() - 1 }), at.contact, inTime())
  assert.deepEqual(late, { outcome: "undelivered", reason: "expired", isPermanent: true })
  assert.equal(at.service.caught.all.length, 0)
})

test("push: an endpoint is what a browser says, and leads to no place that is ours alone", async () => {
  await using at = await open()
  const outside = channelWith({ network: "public" })
  // Loopback, link-local and private ones, in several spellings.
  const hosts = ["127.0.0.1", "[::1]", "localhost", "169.254.169.254", "10.0.0.1", "2130706433", "[::ffff:127.0.0.1]"]
  for (const host of hosts) {
    for (const scheme of ["http", "https"]) {
      const endpoint = `${scheme}://${host}:${new URL(at.service.url).port}/push/x`
      const said = await outside.deliver(messageOf(), { ...at.contact, endpoint } as typeof at.contact, inTime())
      assert.equal(said.outcome, "undelivered", endpoint)
    }
  }
  assert.equal(at.service.caught.all.length, 0)
})

test("push: a key beside the curve is none, and nothing is thrown over it", async () => {
  await using at = await open()
  const beside = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 7)]).toString("base64url")
  const contact = { ...at.contact, p256dh: beside } as typeof at.contact
  assert.equal(at.channel.canReach(contact), false)
  const said = await at.channel.deliver(messageOf(), contact, inTime())
  assert.deepEqual(said, { outcome: "undelivered", reason: "no-contact", isPermanent: true })
})

async function payloadBytes(at: Awaited<ReturnType<typeof open>>): Promise<number> {
  await at.channel.deliver(messageOf(), at.contact, inTime())
  // RFC 8188 §2.1 and RFC 8291 §4: what the encryption adds.
  return at.service.caught.all.at(-1)!.bytes - 103
}
