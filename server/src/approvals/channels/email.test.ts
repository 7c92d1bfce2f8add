import assert from "node:assert/strict"
import { test } from "node:test"
import { Secret } from "#kernel"
import { type ConformanceChannel, channelConformance, messageOf } from "./channel.conformance.ts"
import { type EmailParts, emailChannel, isAddress } from "./email.ts"
import { type MailServer, openMailServer } from "./mail.fixture.ts"

async function open(
  more: Partial<EmailParts> = {},
  server: Parameters<typeof openMailServer>[0] = {},
): Promise<ConformanceChannel & { mail: MailServer }> {
  const mail = await openMailServer(server)
  let isThere = true
  const vanish = async () => {
    if (isThere) await mail[Symbol.asyncDispose]()
    isThere = false
  }
  const from = "safeconduct@example.org"
  return {
    mail,
    channel: emailChannel({
      host: "127.0.0.1",
      port: mail.port,
      tls: "none",
      from,
      username: null,
      password: async () => null,
      ...more,
    }),
    contact: { kind: "email", address: "alice@example.org" },
    malformed: { kind: "email", address: "alice@example.org, mallory@example.org" },
    answer: (manner) => {
      mail.manner = manner
    },
    arrived: () =>
      mail.caught.all.map(({ subject, text, messageId }) => ({ seen: `${subject}\n${text}`, known: messageId })),
    vanish,
    [Symbol.asyncDispose]: vanish,
  }
}

channelConformance("email", () => open())

const inTime = () => AbortSignal.timeout(30_000)

test("email: a letter is plain text for one person, and no holiday answers it", async () => {
  await using at = await open()
  await at.channel.deliver(messageOf(), at.contact, inTime())
  const [letter] = at.mail.caught.all
  assert.deepEqual(
    [letter!.to, letter!.from, letter!.subject],
    ["alice@example.org", "safeconduct@example.org", "Safeconduct"],
  )
  assert.equal(letter!.text.replaceAll("\r\n", "\n").trim(), `Something waits for your decision.\n\n${messageOf().url}`)
  assert.match(letter!.raw, /^Auto-Submitted: auto-generated$/im)
  assert.match(letter!.raw, /^Content-Type: text\/plain/im)
  assert.doesNotMatch(letter!.raw, /text\/html/i)
})

test("email: umlauts arrive as they were written", async () => {
  await using at = await open()
  await at.channel.deliver(
    messageOf({ sentence: "Etwas wurde für Sie abgelehnt. Größe ändern." }),
    at.contact,
    inTime(),
  )
  assert.match(at.mail.caught.all[0]!.text, /für Sie abgelehnt\. Größe ändern\./)
})

test("email: where TLS is asked for, nothing goes out in the clear", async () => {
  // The server has no STARTTLS; a letter that came would have come in clear text.
  await using at = await open({ tls: "starttls" })
  assert.equal((await at.channel.deliver(messageOf(), at.contact, inTime())).outcome, "undelivered")
  await using implicit = await open({ tls: "implicit" })
  const signal = AbortSignal.timeout(2_000)
  assert.equal((await implicit.channel.deliver(messageOf(), implicit.contact, signal)).outcome, "undelivered")
  assert.equal(at.mail.caught.all.length + implicit.mail.caught.all.length, 0)
})

test("email: a server that wants a password gets the one that was handed over", async () => {
  const user = { name: "safeconduct", password: "of-the-mailbox" }
  const password = async () => new Secret(user.password)
  await using at = await open({ username: user.name, password }, { user })
  assert.equal((await at.channel.deliver(messageOf(), at.contact, inTime())).outcome, "delivered")
  await using wrong = await open({ username: user.name, password: async () => new Secret("another") }, { user })
  const said = await wrong.channel.deliver(messageOf(), wrong.contact, inTime())
  assert.deepEqual(said, { outcome: "undelivered", reason: "not-configured", isPermanent: false })
  await using none = await open({ username: user.name }, { user })
  const unset = await none.channel.deliver(messageOf(), none.contact, inTime())
  assert.deepEqual(unset, { outcome: "undelivered", reason: "not-configured", isPermanent: false })
  assert.equal(wrong.mail.caught.all.length + none.mail.caught.all.length, 0)
})

test("email: an address is one mailbox, and nothing that a header could be made of", () => {
  for (const text of ["a@b.example", "first.last+tag@mail.example.org", "o'neil@example.org"]) {
    assert.equal(isAddress(text), true, text)
  }
  const bad = [
    "",
    "a",
    "a@",
    "@b",
    "a@b@c",
    "a b@c",
    "a@b,c@d",
    "<a@b>",
    "a@b\r\nBcc: c@d",
    '"a b"@c',
    "a@b c",
    "ä@b.c",
  ]
  for (const text of [...bad, `${"a".repeat(65)}@b.example`, `a@${"b".repeat(254)}`])
    assert.equal(isAddress(text), false, text)
})
