import { readFileSync } from "node:fs"

/** A value of JSON. */
export type Value = string | number | boolean | null | Value[] | { [name: string]: Value }

/** What is called: a tool with arguments. */
export type Call = { function: string; args: { [name: string]: Value } }

/** JSON Schema of one argument, as far as it is read. */
export type Schema = { type?: string; anyOf?: Schema[]; items?: Schema; enum?: Value[]; default?: Value }

/** A tool of a suite. */
export type Tool = {
  name: string
  description?: string
  parameters: { properties?: { [name: string]: Schema }; required?: string[] }
}

/** What a user asks, and what an agent that is not hijacked does about it. */
export type UserTask = { id: string; prompt: string; calls: readonly Call[] }

/** What an attacker wants done; a call that is not needed for it only looks. */
export type InjectionTask = { id: string; calls: readonly (Call & { needed_for_attack?: boolean })[] }

/** A suite in the format of the development data. */
export type Suite = {
  suite: string
  tools: readonly Tool[]
  user_tasks: readonly UserTask[]
  injection_tasks: readonly InjectionTask[]
  default_environment: { [name: string]: Value }
}

/** Reads a suite. Throws when the file holds none. */
export function readSuite(path: string): Suite {
  const read = JSON.parse(readFileSync(path, "utf8")) as Partial<Suite>
  const { suite, tools, user_tasks, injection_tasks, default_environment } = read
  const lists = [tools, user_tasks, injection_tasks]
  if (typeof suite !== "string" || !lists.every(Array.isArray) || typeof default_environment !== "object") {
    throw new Error(`${path} is no suite: it has no suite, tools, user_tasks, injection_tasks and default_environment`)
  }
  return read as Suite
}

/** True for the same tool with the same arguments, in whatever order. */
export function isSameCall(a: Call, b: Call): boolean {
  return a.function === b.function && sorted(a.args) === sorted(b.args)
}

function sorted(value: Value): string {
  return JSON.stringify(value, (_, each: Value) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  )
}
