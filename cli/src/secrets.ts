import { readFile } from "node:fs/promises"
import { text } from "node:stream/consumers"
import { usage } from "./exit.ts"

/** Where a secret may come from; its value is never part of the command line. */
export type SecretSource = {
  /** What it is, for messages. */
  what: string
  /** Value of the option, which can only be "-": standard input. */
  flag?: string | undefined
  /** Option's name, for messages. */
  flagName: string
  file?: string | undefined
  /** Name of the environment variable, if any. */
  variable?: string | undefined
}

/** Reads a secret from the file, standard input or the environment, in this order. Throws a usage error when it is nowhere. */
export async function readSecret({ what, flag, flagName, file, variable }: SecretSource): Promise<string> {
  if (flag !== undefined && flag !== "-") {
    throw usage(`${flagName} takes only "-": a secret on the command line is seen by every user of this machine.`)
  }
  const found =
    file !== undefined
      ? await readFile(file, "utf8")
      : flag === "-"
        ? await text(process.stdin)
        : variable && process.env[variable]
  const secret = found?.trim()
  if (secret) return secret
  const byVariable = variable === undefined ? "" : `, or in ${variable}`
  throw usage(`Give ${what} on standard input (${flagName} -), in a file (${flagName}-file)${byVariable}.`)
}
