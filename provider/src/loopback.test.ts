import assert from "node:assert/strict"
import { test } from "node:test"
import { fetchHere } from "./loopback.ts"

for (const url of [
  "https://client.example/logout",
  "http://192.168.1.10/",
  "http://[2001:db8::1]/",
  "http://[::ffff:10.0.0.1]/",
]) {
  test(`the provider does not call ${url}`, async () => {
    await assert.rejects(fetchHere(url), /calls nobody beyond this machine/)
  })
}
