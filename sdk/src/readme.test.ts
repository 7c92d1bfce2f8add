import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8")

test("the README shows the example that is compiled", () => {
  const example = read("./testing/readme-example.ts")
  assert.ok(read("../README.md").includes(`\`\`\`ts\n${example}\`\`\``))
  assert.ok(example.trimEnd().split("\n").length <= 12)
})
