import assert from "node:assert/strict"
import { test } from "node:test"
import { Secret } from "#kernel"
import { openSmsGateway, type SmsGateway } from "#testing"
import { type ConformanceChannel, channelConformance, messageOf } from "./channel.conformance.ts"
import { septetsOf, smsChannel } from "./sms.ts"
import { locales, wordsFor, wordsForCode } from "./words.ts"

async function open(token?: Secret | null): Promise<ConformanceChannel & { gateway: SmsGateway }> {
  const gateway = await openSmsGateway()
  const own = token === undefined ? new Secret(gateway.token) : token
  const { accountSid, url: baseUrl } = gateway
  let isThere = true
  const vanish = async () => {
    if (isThere) await gateway[Symbol.asyncDispose]()
    isThere = false
  }
  return {
    gateway,
    channel: smsChannel({ from: "+15005550006", accountSid, baseUrl, network: "loopback", token: async () => own }),
    contact: { kind: "sms", number: "+4930123456789" },
    malformed: { kind: "sms", number: "030 123456" },
    answer: (manner) => {
      gateway.manner = manner
    },
    arrived: () => gateway.caught.all.map(({ body }) => ({ seen: body, known: null })),
    vanish,
    [Symbol.asyncDispose]: vanish,
  }
}

channelConformance("sms", () => open())

const inTime = () => AbortSignal.timeout(30_000)

test("sms: one message, to one number, from the sender of the account", async () => {
  await using at = await open()
  await at.channel.deliver(messageOf(), at.contact, inTime())
  const { sentence, url } = messageOf()
  assert.deepEqual(at.gateway.caught.all, [{ to: "+4930123456789", from: "+15005550006", body: `${sentence} ${url}` }])
})

test("sms: without the account's token nothing is sent, and another one is refused", async () => {
  await using none = await open(null)
  const unset = await none.channel.deliver(messageOf(), none.contact, inTime())
  assert.deepEqual(unset, { outcome: "undelivered", reason: "not-configured", isPermanent: false })
  await using wrong = await open(new Secret("another"))
  const refused = await wrong.channel.deliver(messageOf(), wrong.contact, inTime())
  assert.deepEqual(refused, { outcome: "undelivered", reason: "refused", isPermanent: true })
  assert.equal(none.gateway.caught.all.length + wrong.gateway.caught.all.length, 0)
})

test("sms: a sentence with its link is one message in every language, and a link alone where it is not", async () => {
  for (const locale of locales) {
    for (const kind of ["asked", "told", "reported", "refused", "enrolled", "lost"] as const) {
      const { sentence } = wordsFor(locale, kind, 1)
      assert.ok(septetsOf(`${sentence} ${messageOf().url}`) <= 160, sentence)
    }
  }
  await using at = await open()
  await at.channel.deliver(messageOf({ sentence: "Zu lang. ".repeat(20) }), at.contact, inTime())
  assert.equal(at.gateway.caught.all[0]!.body, messageOf().url)
  const never = await at.channel.deliver(
    messageOf({ url: `https://example.org/${"a".repeat(160)}` }),
    at.contact,
    inTime(),
  )
  assert.deepEqual(never, { outcome: "undelivered", reason: "refused", isPermanent: true })
})

test("sms: where a code and its link are too long for one message, it is the code that is sent", async () => {
  await using at = await open()
  const url = `https://${"long.".repeat(20)}example/me/notifications`
  for (const locale of locales) {
    await at.channel.deliver(messageOf({ ...wordsForCode(locale, "123456"), url }), at.contact, inTime())
    assert.match(at.arrived().at(-1)!.seen, /123456/)
  }
})

test("sms: characters are counted as networks do", () => {
  assert.deepEqual(["aä_@", "[]€", "“", "日"].map(septetsOf), [
    4,
    6,
    Number.POSITIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ])
})
