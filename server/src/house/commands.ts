import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { type File, repositoryRoot } from "./tree.ts"

/** A command of the command line, and those below it; none below: it takes arguments. */
export type CommandTree = { [name: string]: CommandTree }

/** What the command line says of itself, asked as a person would: by its help. */
export async function readCommands(words: readonly string[] = []): Promise<CommandTree> {
  const safeconduct = `${repositoryRoot}cli/bin/safeconduct.js`
  const { stdout } = await promisify(execFile)(process.execPath, [safeconduct, ...words, "--help"])
  const listed = /^Commands:\n((?: .*\n)*)/m.exec(stdout)?.[1] ?? ""
  const found = [...listed.matchAll(/^ {2}([a-z][a-z-]*)(.*)/gm)].map(([, name, rest]) => ({
    name: name!,
    rest: rest!,
  }))
  // A command shows its options; a group of commands has none.
  const below = found.map(async ({ name, rest }): Promise<[string, CommandTree]> => {
    return [name, rest.startsWith(" [options]") || name === "help" ? {} : await readCommands([...words, name])]
  })
  return Object.fromEntries(await Promise.all(below))
}

/** Sentences on `safeconduct …` in documents that the command line does not know. */
export function checkSafeconductCommands(documents: readonly File[], commands: CommandTree): string[] {
  return documents.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, at) =>
      [...line.matchAll(/(?:npx |\| |`|^ *|")safeconduct ((?:[a-z][a-z-]*(?: |$|`|"))+)/g)]
        .map(([, words]) => words!.replaceAll(/[`"]/g, "").trim().split(" "))
        .filter((words) => !isKnown(words, commands))
        .map((words) => `${path}:${at + 1} names "safeconduct ${words.join(" ")}", which is no command`),
    ),
  )
}

function isKnown([word, ...rest]: string[], commands: CommandTree): boolean {
  if (Object.keys(commands).length === 0 || word === undefined) return true
  return word in commands && isKnown(rest, commands[word]!)
}
