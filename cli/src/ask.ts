import { createInterface } from "node:readline/promises"
import { CommandError, exits, usage } from "./exit.ts"

/** Asks yes or no on a terminal. Off a terminal nothing asks: `--yes` or a usage error. */
export async function confirm(question: string, isYes: boolean): Promise<boolean> {
  if (isYes) return true
  return /^y(es)?$/i.test(await ask(`${question} [y/N] `))
}

/** Asks to type a name before something that cannot be undone. */
export async function confirmByName(question: string, name: string, isYes: boolean): Promise<boolean> {
  if (isYes) return true
  return (await ask(`${question} Type ${name} to go on: `)) === name
}

async function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw usage("This needs a confirmation and there is no terminal to ask on. Repeat it with --yes.")
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const closed = new Promise<never>((_resolve, reject) => {
    // Ctrl-C and Ctrl-D end the input; neither is an answer.
    lines.once("close", () =>
      reject(new CommandError(exits.interrupted, "interrupted", "Interrupted; nothing was changed.")),
    )
  })
  try {
    const answer = lines.question(question)
    answer.catch(() => undefined)
    return (await Promise.race([answer, closed])).trim()
  } finally {
    closed.catch(() => undefined)
    lines.close()
  }
}
