import assert from "node:assert/strict"
import { globSync, readFileSync } from "node:fs"
import { after, before, test } from "node:test"
import { allEvents, refusals } from "@safeconduct/server/programs"
import { parseStory, type Vocabulary } from "./grammar.ts"
import { type House, openHouse } from "./house.ts"
import { openWorld } from "./real-world.ts"
import { play } from "./runner.ts"

const folder = new URL("./", import.meta.url)
const vocabulary: Vocabulary = { refusals: new Set(Object.keys(refusals)), events: new Set(Object.keys(allEvents)) }
const files = globSync("*.story.txt", { cwd: folder }).sort()
let house: House

before(async () => {
  house = await openHouse()
})
after(() => house[Symbol.asyncDispose]())

for (const file of files) {
  const story = parseStory(`stories/${file}`, readFileSync(new URL(file, folder), "utf8"), vocabulary)
  test(story.title, async () => {
    await using world = await openWorld(house)
    await play(story, world)
  })
}

test("there are stories, and a false one fails against the real server", async () => {
  assert.ok(files.length >= 5)
  const lines = [
    "# An agent reads what it wants.",
    "session  support-bot  for answer-questions",
    "act  lease salaries read",
    "expect  allowed",
  ]
  const story = parseStory("false.story.txt", lines.join("\n"), vocabulary)
  await using world = await openWorld(house)
  await assert.rejects(play(story, world), /^Error: false\.story\.txt:4: expect allowed\n {2}but it was refused/)
})
