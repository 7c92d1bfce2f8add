import assert from "node:assert/strict"
import { test } from "node:test"
import { isBefore, type OpenedEntry } from "./entries.ts"

const at = (log: string, index = 0) => ({ log, index }) as OpenedEntry

test("of one deployment's logs one comes after the other; of two deployments' neither, whoever's keys somebody has", () => {
  assert.equal(isBefore(at("example.org/log/1", 3), at("example.org/log/1", 4)), true)
  assert.equal(isBefore(at("example.org/log/1", 3), at("example.org/log/1", 3)), false)
  assert.equal(isBefore(at("example.org/log/1", 9), at("example.org/log/2", 0)), true)
  assert.equal(isBefore(at("example.org/log/9"), at("example.org/log/10")), true)
  assert.equal(isBefore(at("example.org/log/2"), at("example.org/log/1")), false)
  for (const foreign of ["evil.example/log/2", "example.org/log/x/log/2", "example.org/2", "example.org/log/02", "2"]) {
    assert.equal(isBefore(at("example.org/log/1"), at(foreign)), false, foreign)
    assert.equal(isBefore(at(foreign), at("example.org/log/3")), false, foreign)
  }
})
