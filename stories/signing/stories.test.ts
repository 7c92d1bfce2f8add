import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { after, before, test } from "node:test"
import { allEvents, refusals } from "@safeconduct/server/programs"
import { parseStory, type Vocabulary } from "../grammar.ts"
import type { House } from "../house.ts"
import { openWorld } from "../real-world.ts"
import { play } from "../runner.ts"
import { openSigningHouse } from "./house.ts"

const folder = new URL("./", import.meta.url)
const vocabulary: Vocabulary = { refusals: new Set(Object.keys(refusals)), events: new Set(Object.keys(allEvents)) }
const files = globSync("*.story.txt", { cwd: folder }).sort()
let house: House

before(async () => {
  house = await openSigningHouse()
})
after(() => house?.[Symbol.asyncDispose]())

for (const file of files) {
  const story = parseStory(`stories/signing/${file}`, readFileSync(new URL(file, folder), "utf8"), vocabulary)
  test(story.title, async () => {
    await using world = await openWorld(house)
    await play(story, world)
  })
}

test("there is a story for each way to forge an approval that needs no more than words", () => {
  assert.ok(files.length >= 7, files.join(" "))
})
