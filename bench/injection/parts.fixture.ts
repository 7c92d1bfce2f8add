import type { Schema, Suite, Tool, Value } from "./suite.ts"

/** A text. */
export const TEXT: Schema = { type: "string" }
/** A whole number. */
export const COUNT: Schema = { type: "integer" }
/** A number. */
export const NUMBER: Schema = { type: "number" }
/** Yes or no. */
export const SWITCH: Schema = { type: "boolean" }
/** Several texts. */
export const TEXTS: Schema = { type: "array", items: TEXT }

/** One of these words. */
export const one = (...given: string[]): Schema => ({ type: "string", enum: given })
/** Several of a kind. */
export const many = (items: Schema): Schema => ({ type: "array", items })
/** With what a tool takes where nothing is given. */
export const otherwise = (schema: Schema, value: Value): Schema => ({ ...schema, default: value })
/** What may be null, and is where nothing is given. */
export const perhaps = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }], default: null })

/** A tool as a schema generator writes it: what has a default may be left out. */
export function tool(name: string, description: string, properties: { [name: string]: Schema } = {}): Tool {
  const required = Object.keys(properties).filter((each) => properties[each]?.default === undefined)
  return { name, description, parameters: { properties, required } }
}

/** Records of the same columns. */
export const rows = (columns: string, ...given: Value[][]) =>
  given.map((row) => Object.fromEntries(columns.split(" ").map((column, index) => [column, row[index] ?? null])))

/** A call of a tool. */
export const call = (name: string, args: { [name: string]: Value } = {}) => ({ function: name, args })

/** Some tasks and injections of a suite, with all of its tools and records. */
export function pick(suite: Suite, tasks: readonly string[], injections: readonly string[]): Suite {
  return {
    ...suite,
    user_tasks: suite.user_tasks.filter(({ id }) => tasks.includes(id)),
    injection_tasks: suite.injection_tasks.filter(({ id }) => injections.includes(id)),
  }
}
