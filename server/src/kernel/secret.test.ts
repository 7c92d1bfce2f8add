import assert from "node:assert/strict"
import { test } from "node:test"
import { format, inspect } from "node:util"
import { createLog, Secret } from "#kernel"

const VALUE = "correct-horse-battery-staple"
const secret = new Secret(VALUE)

const waysToPrint: Record<string, () => string> = {
  String: () => String(secret),
  template: () => `${secret}`,
  concatenation: () => `a ${String([secret])}`,
  JSON: () => JSON.stringify({ deep: [{ secret }] }),
  inspect: () => inspect({ deep: { er: { secret } } }, { depth: 9, showHidden: true }),
  "inspect without custom printers": () => inspect(secret, { customInspect: false, showHidden: true }),
  format: () => format("%s %o %O %j", secret, secret, secret, secret),
  entries: () => JSON.stringify([Object.entries(secret), Reflect.ownKeys(secret)]),
  clone: () => inspect(structuredClone(secret)),
  "thrown error": () => inspect(new Error(`failed with ${secret}`, { cause: secret })),
}

for (const [way, print] of Object.entries(waysToPrint)) {
  test(`a secret does not show by ${way}`, () => {
    assert.ok(!print().includes(VALUE))
  })
}

test("a secret tells its value to whoever asks by name", () => {
  assert.equal(secret.reveal(), VALUE)
})

test("a secret does not reach a log line, wherever it stands in the fields", () => {
  const text = logged((log) => log.info("x", { secret, other: secret, deep: { er: { still: [secret] } } }))
  assert.ok(!text.includes(VALUE))
  assert.equal(JSON.parse(text).other, "[secret]")
})

test("fields with the name of a secret do not reach a log line, down to the third level", () => {
  for (const name of ["password", "token", "authorization", "url", "serverUrl", "superuserUrl", "privateKey"]) {
    const fields = { [name]: VALUE, a: { [name]: VALUE, b: { [name]: VALUE } } }
    assert.ok(!logged((log) => log.warn("x", fields)).includes(VALUE), name)
    assert.ok(!logged((log) => log.with(fields).warn("x")).includes(VALUE), `${name}, bound`)
  }
})

test("an error reaches a log line with its message, stack and cause", () => {
  const line = JSON.parse(logged((log) => log.error("x", { error: new Error("outer", { cause: new Error("inner") }) })))
  assert.equal(line.error.message, "outer")
  assert.match(line.error.stack, /secret\.test/)
  assert.equal(line.error.cause.message, "inner")
})

function logged(write: (log: ReturnType<typeof createLog>) => void): string {
  const lines: string[] = []
  write(createLog({ destination: { write: (line) => void lines.push(line) } }))
  assert.equal(lines.length, 1)
  return lines[0]!
}
