import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import * as check from "./repository.ts"
import { readFile, readTree, repositoryRoot } from "./tree.ts"

const tree = readTree()
const documents = tree.filter(({ path }) => path.endsWith(".md"))
const manifest = (path: string) => JSON.parse(readFile(path).text) as check.Manifest & { workspaces?: string[] }
const root = manifest("package.json")
const packages = root.workspaces!.map((folder) => manifest(`${folder}/package.json`))

test("all packages have one version", () => {
  assert.deepEqual(check.checkVersions(packages), [])
  const [a, b] = [
    { name: "a", version: "1.0.0" },
    { name: "b", version: "1.0.1", dependencies: { a: "0.9.0" } },
  ]
  assert.deepEqual(check.checkVersions([a, b]), ["b is 1.0.1, a is 1.0.0", "b asks for a 0.9.0, but it is 1.0.0"])
})

test("every dependency is pinned to one version", () => {
  assert.deepEqual(check.checkPins([root, ...packages]), [])
  for (const asked of ["^1.0.0", "~1.0.0", "latest", "*", "1.x", "npm:@a/b@^1.0.0", "https://example.com/a.tgz"]) {
    assert.equal(check.checkPins([{ name: "a", dependencies: { b: asked } }]).length, 1, asked)
  }
})

test("tlog depends on nothing, the SDK on two packages at most, the server on twelve", () => {
  assert.deepEqual(check.checkDependencyCount(packages), [])
  assert.equal(check.checkDependencyCount([{ name: "@safeconduct/tlog", dependencies: { a: "1.0.0" } }]).length, 1)
})

test("no file names a place of one machine", () => {
  assert.deepEqual(check.checkMachinePaths(tree), [])
  const plant = (text: string) => check.checkMachinePaths([{ path: "a.md", text }])
  for (const folder of ["work", "home", "Users", "root", "tmp"])
    assert.equal(plant(`see /${folder}/x`).length, 1, folder)
  assert.equal(plant(`resolved "http://${"registry"}.example.com/a"`).length, 1)
  assert.deepEqual(plant("PUT /v1/credentials/resources/kb/root and docs/work/x"), [])
})

test("every command that a document names exists", () => {
  assert.deepEqual(check.checkCommands(documents, root.scripts!), [])
  const planted = [{ path: "a.md", text: "npm test\nnpm run nothing" }]
  assert.deepEqual(check.checkCommands(planted, { test: "" }), [
    "a.md:2 runs nothing, which package.json does not know",
  ])
})

test("every setting of the process is documented", () => {
  const chapter = readFile("docs/reference/programs.md").text
  const variables = readFile("server/src/programs/configuration.ts").text.matchAll(/variable: "(\w+)"/g)
  const names = [...variables].map(([, name]) => name!)
  assert.ok(names.length > 10)
  assert.deepEqual(
    names.filter((name) => !chapter.includes(`| \`${name}\` |`)),
    [],
  )
})

test("every link between documents leads somewhere", () => {
  const exists = (path: string) => existsSync(join(repositoryRoot, path))
  assert.deepEqual(check.checkLinks(documents, exists), [])
  const planted = [{ path: "docs/a.md", text: "[x](../none.md#y) [z](https://example.com)" }]
  assert.deepEqual(check.checkLinks(planted, exists), ["docs/a.md:1 links to ../none.md, which is not there"])
})

test("every piece of TypeScript in a document is compiled", () => {
  const sources = tree.filter(({ path }) => path.endsWith(".ts"))
  assert.deepEqual(check.checkExamples(documents, sources), [])
  const planted = [{ path: "a.md", text: "one\n```ts\nconst a = 1\nconst b = 2\n```\n" }]
  assert.deepEqual(check.checkExamples(planted, sources.slice(0, 1)), ["a.md:2 shows TypeScript that nothing compiles"])
  assert.deepEqual(check.checkExamples(planted, [{ path: "a.ts", text: "  const a = 1\n  const b = 2\n" }]), [])
})

test("CI runs what the README says: npm ci && npm test", () => {
  const lines = readFile(".ci/run").text.trim().split("\n")
  assert.equal(lines.at(-1), "npm ci && npm test")
  assert.ok(lines.includes("set -euo pipefail"))
  assert.match(readFile("README.md").text, /npm ci && npm test/)
})

test("nothing that only tests load is published", () => {
  const paths = tree.map(({ path }) => path)
  for (const home of root.workspaces!) {
    const { exclude } = JSON.parse(readFile(`${home}/tsconfig.build.json`).text) as { exclude: string[] }
    assert.deepEqual(check.checkPublished(home, exclude, paths), [])
  }
  const planted = ["sdk/src/a.ts", "sdk/src/a.test.ts", "sdk/src/testing/b.ts"]
  assert.equal(check.checkPublished("sdk", [], planted).length, 2)
  assert.deepEqual(check.checkPublished("sdk", ["src/**/*.test.ts", "src/testing"], planted), [])
})

test("a build copies what the compiler leaves behind, and nothing of the tests", () => {
  const folder = mkdtempSync(join(tmpdir(), "safeconduct-copy-"))
  try {
    for (const name of ["room/migrations", "testing", "house"])
      mkdirSync(join(folder, "src", name), { recursive: true })
    const files = ["room/migrations/0001-a.sql", "room/a.cedarschema", "room/a.ts", "testing/b.sql", "house/c.json"]
    for (const file of files) writeFileSync(join(folder, "src", file), "x")
    execFileSync(process.execPath, [join(repositoryRoot, "scripts/copy-sql.js")], { cwd: folder })
    const copied = readdirSync(join(folder, "dist"), { recursive: true, withFileTypes: true })
    assert.deepEqual(
      copied
        .filter((each) => each.isFile())
        .map(({ name }) => name)
        .sort(),
      ["0001-a.sql", "a.cedarschema"],
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test("every pitfall of delegation has a test that names it, or a reason why it cannot occur", () => {
  const rows = [...readFile("SECURITY.md").text.matchAll(/^\| (\d+) \| [^|]+ \| ([^|]+) \|$/gm)]
  assert.deepEqual(
    rows.map(([, nth]) => Number(nth)),
    Array.from({ length: 30 }, (_, at) => at + 1),
  )
  const titles = tree.filter(({ path }) => path.endsWith(".test.ts") || path.endsWith(".story.txt"))
  const named = new Set(
    titles.flatMap(({ text }) =>
      [...text.matchAll(/pitfalls? (\d+(?:(?:, | and |, and )\d+)*)/g)].flatMap(([, list]) => list!.match(/\d+/g)!),
    ),
  )
  const without = rows.filter(([, nth, what]) => !/cannot (occur|be)/.test(what!) && !named.has(nth!))
  assert.deepEqual(
    without.map(([, nth]) => nth),
    [],
  )
})
