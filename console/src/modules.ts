import { readFileSync } from "node:fs"
import { stripTypeScriptTypes } from "node:module"
import process from "node:process"

/** The clone has TypeScript, the package what was made of it. */
const isSource = import.meta.url.endsWith(".ts")

/** A module of ours as browsers take it: JavaScript, which imports the others by the names that they are served under. */
export function readModule(name: string): string {
  const text = readFileSync(new URL(`./browser/${name}.${isSource ? "ts" : "js"}`, import.meta.url), "utf8")
  const script = isSource ? stripped(text).replaceAll(/(from "\.\/\w+)\.ts"/g, '$1.js"') : text
  // A service worker is no module everywhere; the compiler makes one of each file.
  return withoutComments(script).replace(/^export \{\};?\s*$/m, "")
}

/** They are for whoever reads this repository; a phone need not fetch them. Ours stand on lines of their own. */
function withoutComments(script: string): string {
  return script
    .replaceAll(/^\s*\/\*\*[\s\S]*?\*\/$/gm, "")
    .replaceAll(/^\s*\/\/.*$/gm, "")
    .replaceAll(/[ \t]+$/gm, "")
    .replaceAll(/\n{2,}/g, "\n")
}

/** Node runs our TypeScript without a word and warns where it only shows it: nobody who starts a server wants to read that. */
function stripped(text: string): string {
  const { emitWarning } = process
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(text)
  } finally {
    process.emitWarning = emitWarning
  }
}
