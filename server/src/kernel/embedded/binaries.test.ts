import assert from "node:assert/strict"
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
} from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { text } from "node:stream/consumers"
import { test } from "node:test"
import { chooseAccount } from "./account.ts"
import { provideBinaries } from "./binaries.ts"
import { run, scratchFolder } from "./fixture.ts"
import { ownFolder } from "./folders.ts"

const notReady = { name: "Refusal", code: "not-ready" }
/** The name of our folder among everybody's temporary ones. */
const shared = `safeconduct-${process.geteuid?.() ?? "user"}`

test("many processes that copy the programs at once all get them whole, and leave no draft", async () => {
  await using scratch = await scratchFolder()
  const children = Array.from({ length: 4 }, () => run(PROVIDE, [], { env: { TMPDIR: scratch.path } }))
  const results = await Promise.all(
    children.map(async (child) => {
      const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
      return errors === "" ? out : errors
    }),
  )
  assert.deepEqual(new Set(results).size, 1, results.join("\n"))
  const shelf = join(scratch.path, shared, "postgres")
  assert.equal(readdirSync(shelf).length, 1)
  const bin = results[0]!.trim()
  for (const name of ["postgres", "initdb"]) assert.equal(statSync(join(bin, name)).mode & 0o777, 0o755)
})

test("the links between libraries are made without the package's install script", async () => {
  const bin = await provideBinaries(18, chooseAccount(), true)
  const library = join(bin, "..", "lib")
  const links = readdirSync(library).filter((name) => lstatSync(join(library, name)).isSymbolicLink())
  assert.ok(links.length > 0)
  for (const name of links) {
    assert.ok(!readlinkSync(join(library, name)).includes("/"))
    assert.ok(statSync(join(library, name)).isFile())
  }
})

test("a copy that a power cut left short is made again", async () => {
  await using scratch = await scratchFolder()
  await using _moved = useTemporary(scratch.path)
  const bin = await provideBinaries(18, chooseAccount(), true)
  const { size } = statSync(join(bin, "postgres"))
  truncateSync(join(bin, "postgres"), 100)
  assert.equal(await provideBinaries(18, chooseAccount(), true), bin)
  assert.equal(statSync(join(bin, "postgres")).size, size)
  assert.equal(readdirSync(join(bin, "..", "..")).length, 1)
})

test("programs in a folder that others may write to are not run", async () => {
  await using scratch = await scratchFolder()
  await using _moved = useTemporary(scratch.path)
  const bin = await provideBinaries(18, chooseAccount(), true)
  chmodSync(join(bin, ".."), 0o777)
  await assert.rejects(provideBinaries(18, chooseAccount(), true), notReady)
})

test("a folder of ours is neither a link nor open to others, and is opened to be passed through", async () => {
  await using scratch = await scratchFolder()
  const path = join(scratch.path, "own")
  mkdirSync(path, { mode: 0o700 })
  assert.equal(statSync(ownFolder(path, 0o755)).mode & 0o777, 0o755)
  chmodSync(path, 0o775)
  assert.throws(() => ownFolder(path, 0o755), notReady)
  chmodSync(path, 0o755)
  symlinkSync(path, join(scratch.path, "link"))
  assert.throws(() => ownFolder(join(scratch.path, "link"), 0o755), notReady)
})

test("a folder that another user owns is refused", { skip: process.geteuid?.() !== 0 && "needs root" }, async () => {
  await using scratch = await scratchFolder()
  const path = join(scratch.path, "foreign")
  mkdirSync(path)
  chownSync(path, 65_534, 65_534)
  assert.throws(() => ownFolder(path, 0o755), notReady)
})

const PROVIDE = `
  import { chooseAccount } from "./src/kernel/embedded/account.ts"
  import { provideBinaries } from "./src/kernel/embedded/binaries.ts"
  console.log(await provideBinaries(18, chooseAccount(), true))
`

/** Makes our programs be copied into another temporary folder. */
function useTemporary(path: string): AsyncDisposable {
  const before = process.env["TMPDIR"]
  process.env["TMPDIR"] = path
  return {
    async [Symbol.asyncDispose]() {
      if (before === undefined) delete process.env["TMPDIR"]
      else process.env["TMPDIR"] = before
    },
  }
}
