import assert from "node:assert/strict"
import { test } from "node:test"
import { channelsSchema } from "./part.ts"

const email = { smtp: "mail.example.org", from: "safeconduct@example.org" }
const sms = { from: "+15005550006", accountSid: "AC1" }
const problems = (value: unknown) => channelsSchema.safeParse(value).error?.issues.map(({ path }) => path.join("."))

test("without a part there is no channel, and each has its defaults", () => {
  assert.deepEqual(channelsSchema.parse(undefined), { order: ["push", "email", "sms"], fallbackSeconds: 20 })
  const part = channelsSchema.parse({ push: { contact: "mailto:ops@example.org" }, email, sms })
  assert.deepEqual(part.email, { ...email, port: 465, tls: "implicit" })
  assert.deepEqual(part.sms, { ...sms, baseUrl: "https://api.twilio.com", network: "public" })
  assert.deepEqual(part.push, { contact: "mailto:ops@example.org", network: "public" })
})

test("a channel without TLS is on this machine, and none is led by a URL with more in it than a place", () => {
  assert.deepEqual(problems({ email: { ...email, tls: "none" } }), ["email.tls"])
  assert.equal(problems({ email: { ...email, smtp: "127.0.0.1", tls: "none" } }), undefined)
  const urls = ["http://hooks.example.org/a", "https://a:b@hooks.example.org/", "https://hooks.example.org/?a=b", "x"]
  for (const url of urls) {
    assert.deepEqual(problems({ webhook: { url } }), ["webhook.url"], url)
    assert.deepEqual(problems({ sms: { ...sms, baseUrl: url } }), ["sms.baseUrl"], url)
  }
  assert.deepEqual(problems({ webhook: { url: "http://hooks.example.org/", network: "loopback" } }), ["webhook.url"])
  assert.equal(problems({ webhook: { url: "http://127.0.0.1:4000/hook", network: "loopback" } }), undefined)
  assert.equal(problems({ webhook: { url: "https://hooks.example.org/safeconduct" } }), undefined)
})

test("what is not known, or of another form, is refused", () => {
  assert.deepEqual(problems({ fax: {} }), [""])
  assert.deepEqual(problems({ order: ["push", "push"] }), ["order"])
  assert.deepEqual(problems({ order: ["webhook"] }), ["order.0"])
  assert.deepEqual(problems({ push: { contact: "ops@example.org" } }), ["push.contact"])
  assert.deepEqual(problems({ email: { ...email, from: "Safeconduct <s@example.org>" } }), ["email.from"])
  assert.deepEqual(problems({ email: { ...email, password: "x" } }), ["email"])
  assert.deepEqual(problems({ sms: { ...sms, accountSid: "../x" } }), ["sms.accountSid"])
  assert.deepEqual(problems({ fallbackSeconds: 0 }), ["fallbackSeconds"])
})
