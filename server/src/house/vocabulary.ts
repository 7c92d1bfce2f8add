import { floors } from "./floor-plan.ts"
import type { File } from "./tree.ts"

/** Nouns of URLs that are not a room's name, and the room whose they are. A line more here is a word to argue about. */
const OTHER_NOUNS: Record<string, string> = { actions: "gate", keys: "kernel" }

/** A word found where only a room's name may stand. */
type Found = { word: string; where: string }

/** Sentences on URLs of contract/routes.txt whose first noun names no room. */
export function checkUrls(routes: string): string[] {
  return routes.split("\n").flatMap((line, at) => {
    const word = /^\w+\s+\/v1\/([^/\s]+)/.exec(line)?.[1]
    return word === undefined || word in OTHER_NOUNS ? [] : unknown({ word, where: `contract/routes.txt:${at + 1}` })
  })
}

/** Sentences on migrations that make or change anything outside the schema of their own room. */
export function checkSchemas(migrations: readonly File[]): string[] {
  return migrations.flatMap(({ path, text }) => {
    const room = /^server\/src\/(\w+)\/migrations\/\d{4}-[a-z0-9-]+\.sql$/.exec(path)?.[1]
    if (room === undefined) return [`${path}:1 is not named like 0001-what-it-does.sql in a room's migrations`]
    const statements = text.replaceAll(/--[^\n]*/g, "")
    const changed = statements.matchAll(
      /\b(?:create|alter|drop)\s+(?:or\s+replace\s+)?(?:unlogged\s+)?(?:table|view|function|type|sequence)\s+(?:if\s+(?:not\s+)?exists\s+)?(\w+)\./g,
    )
    const schemas = statements.matchAll(/\bcreate\s+schema\s+(?:if\s+not\s+exists\s+)?(\w+)/g)
    const foreign = [...schemas, ...changed].map(([, schema]) => schema!).filter((schema) => schema !== room)
    return [...new Set(foreign)].map((schema) => `${path}:1 touches schema ${schema}, but stands in ${room}`)
  })
}

/** Sentences on events whose prefix is not the room that declares them, or whose words are not small and hyphened. */
export function checkEvents(room: string, events: Readonly<Record<string, string>>): string[] {
  return Object.entries(events).flatMap(([event, sentence]) => {
    if (!/^[a-z]+\.[a-z]+(-[a-z]+)*$/.test(event)) return [`${event} is not room.what-happened`]
    if (!event.startsWith(`${room}.`)) return [`${event} is declared by ${room}`]
    return /^[A-Z].*\.$/.test(sentence) ? [] : [`${event} has no sentence: ${JSON.stringify(sentence)}`]
  })
}

/** Sentences on namespaces of Cedar schemas that are no room. */
export function checkNamespaces(schemas: readonly File[]): string[] {
  return schemas.flatMap(({ path, text }) =>
    [...text.matchAll(/^\s*namespace\s+([\w:]+)/gm)].flatMap(([, word]) => unknown({ word: word!, where: path })),
  )
}

/** Sentences on chapters of docs/reference that are no room, and on rooms without a chapter. */
export function checkChapters(chapters: readonly string[], rooms: readonly string[]): string[] {
  const named = chapters.map((path) => /([\w-]+)\.md$/.exec(path)?.[1] ?? path)
  return [
    ...named.flatMap((word) => (word === "README" ? [] : unknown({ word, where: `docs/reference/${word}.md` }))),
    ...rooms.filter((room) => !named.includes(room)).map((room) => `${room} has no chapter docs/reference/${room}.md`),
  ]
}

function unknown({ word, where }: Found): string[] {
  return (floors as readonly string[]).includes(word) ? [] : [`${where} says ${word}, which is no room`]
}
