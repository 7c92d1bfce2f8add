import { canonical, fingerprint, type Json } from "#kernel"
import { parse } from "./parse.ts"
import type { PolicyFile } from "./policy-set.ts"

/** The whole of what is in force, as the database keeps it under one digest. Each room parses its own part. */
export type Document = {
  purposes?: { [name: string]: Json }
  /** Who signs users in, and which programs may invoke agents for them; absent where there is none. */
  providers?: { [name: string]: Json }
  applications?: { [name: string]: Json }
  resources?: { [name: string]: Json }
  agents?: { [name: string]: Json }
  policies: PolicyFile[]
  /** Whose approval may be asked for, and how; absent where it is as it is by default. */
  approvals?: { [name: string]: Json }
  /** Cedar schemas and entities that other enforcement points ask about; absent where there are none. */
  schemas?: PolicyFile[]
  entities?: PolicyFile[]
}

type Named = { [name: string]: Json }

/**
 * What applying `after` over `before` changes, one line in words each: `+ purpose answer-questions`,
 * `~ agent support-bot: purposes +refunds`. Empty when nothing does. Null stands for nothing applied yet.
 */
export function diff(before: Document | null, after: Document): string[] {
  return [
    ...section("purpose", before?.purposes, after.purposes),
    ...section("provider", before?.providers, after.providers),
    ...section("application", before?.applications, after.applications),
    ...section("resource", before?.resources, after.resources),
    ...section("approvals", before?.approvals, after.approvals),
    ...section("agent", before?.agents, after.agents),
    ...section("policy", before === null ? {} : policiesById(before), policiesById(after)),
    ...section("schema", byFile(before?.schemas), byFile(after.schemas)),
    ...section("entities", byFile(before?.entities), byFile(after.entities)),
  ]
}

function section(noun: string, before: Named = {}, after: Named = {}): string[] {
  return union(before, after).flatMap((name) => {
    const [old, now] = [own(before, name), own(after, name)]
    if (old === undefined) return [`+ ${noun} ${name}`]
    if (now === undefined) return [`- ${noun} ${name}`]
    const changes = compare("", old, now)
    return changes.length === 0 ? [] : [`~ ${noun} ${name}: ${changes.join("; ")}`]
  })
}

/** Paths of what differs with what became of it; lists are compared as sets. */
function compare(path: string, before: Json | undefined, after: Json | undefined): string[] {
  if (before === undefined) return [`${path} +${words(after!)}`]
  if (after === undefined) return [`${path} -${words(before)}`]
  if (canonical(before) === canonical(after)) return []
  if (Array.isArray(before) && Array.isArray(after)) return compareLists(path, before, after)
  if (isNamed(before) && isNamed(after)) {
    return union(before, after).flatMap((name) =>
      compare(path === "" ? name : `${path}.${name}`, own(before, name), own(after, name)),
    )
  }
  return [`${path} ${words(before)} → ${words(after)}`.trim()]
}

function compareLists(path: string, before: Json[], after: Json[]): string[] {
  const lacks = (list: Json[], item: Json) => !list.some((each) => canonical(each) === canonical(item))
  const added = after.filter((item) => lacks(before, item)).map((item) => `+${words(item)}`)
  const removed = before.filter((item) => lacks(after, item)).map((item) => `-${words(item)}`)
  const changes = [...added, ...removed]
  return [`${path} ${changes.length === 0 ? "reordered" : changes.join(" ")}`]
}

/** Policies by `@id`, whatever file they stand in; by file when the text is broken, which only `parse` reports. */
function policiesById(document: Document): Named {
  try {
    return Object.fromEntries(parse(document.policies, null, document).policies.map(({ id, text }) => [id, { text }]))
  } catch {
    return Object.fromEntries(document.policies.map(({ file, text }) => [`file ${file}`, { text }]))
  }
}

/** A file's whole text would bury everything else that changes: its digest says that it does. */
function byFile(files: readonly PolicyFile[] = []): Named {
  return Object.fromEntries(files.map(({ file, text }) => [file, { digest: fingerprint(text).slice(0, 12) }]))
}

function words(value: Json): string {
  if (typeof value !== "string") return canonical(value)
  return value.includes("\n") ? JSON.stringify(value) : value
}

function isNamed(value: Json): value is Named {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function own(named: Named, name: string): Json | undefined {
  return Object.hasOwn(named, name) ? named[name] : undefined
}

function union(before: Named, after: Named): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
}
