import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { after, before, test } from "node:test"
import { allEvents, refusals } from "@safeconduct/server/programs"
import { parseStory, type Vocabulary } from "../grammar.ts"
import { openWorld } from "../real-world.ts"
import { play } from "../runner.ts"
import { openShopHouse, type ShopHouse } from "./house.ts"
import { watched } from "./watched.ts"

const folder = new URL("./", import.meta.url)
const vocabulary: Vocabulary = { refusals: new Set(Object.keys(refusals)), events: new Set(Object.keys(allEvents)) }
const files = globSync("*.story.txt", { cwd: folder }).sort()
let house: ShopHouse

before(async () => {
  house = await openShopHouse()
})
after(() => house?.[Symbol.asyncDispose]())

for (const file of files) {
  const story = parseStory(`stories/shop/${file}`, readFileSync(new URL(file, folder), "utf8"), vocabulary)
  test(story.title, async () => {
    await using world = await openWorld(house)
    const watch = watched(world)
    await play(story, watch.world)
    assert.deepEqual(watch.seenOfOthers(), [], "something of another customer's came through")
    await watch.assertWithin(house)
  })
}

test("there is a story for each way out that the hijacked bot tries", () => {
  assert.ok(files.length >= 9, files.join(" "))
})
