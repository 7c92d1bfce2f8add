import assert from "node:assert/strict"
import { test } from "node:test"
import { gzipSync, inflateSync } from "node:zlib"
import { assets, manifestPath, phoneStyle, scriptPath, workerPath } from "./index.ts"

const MOST_BYTES = 25 * 1024

const scripts = [...assets()].filter(([, { type }]) => type.startsWith("text/javascript"))
const text = (path: string) => Buffer.from(assets().get(path)!.body).toString("utf8")

test("all scripts together are at most 25 KiB, gzipped one by one as they are fetched", () => {
  const sizes = scripts.map(([, { body }]) => gzipSync(body).length)
  assert.ok(sizes.length > 5)
  const all = sizes.reduce((sum, size) => sum + size, 0)
  assert.ok(all > 1_000 && all <= MOST_BYTES, `${all} bytes`)
})

test("what a script imports is served beside it", () => {
  for (const [path] of scripts) {
    for (const [, name] of text(path).matchAll(/from "([^"]+)"/g)) {
      const { pathname } = new URL(name!, `https://example.com${path}`)
      assert.ok(assets().has(pathname), `${path} imports ${name}`)
    }
  }
})

test("scripts are plain JavaScript without types, and reach nothing elsewhere", () => {
  for (const [path] of scripts) {
    const script = text(path)
    assert.doesNotMatch(script, /\b(eval|Function|innerHTML|insertAdjacentHTML|document\.write)\b|https?:/, path)
    assert.doesNotMatch(script, /^\s*(type|interface) |\.ts"/m, path)
  }
  assert.doesNotMatch(text(workerPath), /^(im|ex)port\b/m, "a service worker is no module everywhere")
})

test("a path that may rest in caches for ever changes with its content, and the rest is asked for again", () => {
  const own = [...assets()].filter(([, { isImmutable }]) => !isImmutable).map(([path]) => path)
  assert.deepEqual(own, [workerPath, manifestPath])
  assert.match(scriptPath("approve"), /^\/assets\/[A-Za-z0-9_-]{16}\/approve\.js$/)
})

test("the manifest names icons that are there and are pictures of that size", () => {
  const manifest = JSON.parse(text(manifestPath)) as { icons: { src: string; sizes: string; type: string }[] }
  assert.equal(manifest.icons.length, 3)
  for (const { src, sizes, type } of manifest.icons) {
    const asset = assets().get(src)!
    assert.ok(asset.type.startsWith(type))
    if (type !== "image/png") continue
    const bytes = Buffer.from(asset.body)
    assert.equal(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, sizes)
    const start = bytes.indexOf("IDAT")
    const rows = inflateSync(bytes.subarray(start + 4, start + 4 + bytes.readUInt32BE(start - 4)))
    const side = bytes.readUInt32BE(16)
    assert.equal(rows.length, (1 + side * 3) * side)
    assert.deepEqual([...rows.subarray(1, 4)], [0x17, 0x63, 0x4a], "green in the corner")
  }
})

test("the style fetches nothing", () => assert.doesNotMatch(phoneStyle, /url\(|@import/))
