/** Ends what is open when the process goes: best effort, bounded, and with the exit status that it would have had. */

const open = new Set<() => Promise<void>>()
const SIGNALS = ["SIGINT", "SIGTERM"] as const
/** The server ends everything by itself a little later; a process that is asked to go should not hang. */
const LONGEST_MS = 3_000

/**
 * Calls `end` when the process is interrupted, terminated, or has nothing left to do. Disposed once it ended otherwise.
 * Handlers stand only while something is open.
 */
export function endOnExit(end: () => Promise<void>): Disposable {
  if (open.size === 0) install()
  open.add(end)
  return {
    [Symbol.dispose]() {
      if (open.delete(end) && open.size === 0) uninstall()
    },
  }
}

function install(): void {
  for (const signal of SIGNALS) process.on(signal, onSignal)
  process.on("beforeExit", onBeforeExit)
}

function uninstall(): void {
  for (const signal of SIGNALS) process.off(signal, onSignal)
  process.off("beforeExit", onBeforeExit)
}

function onSignal(signal: NodeJS.Signals): void {
  // An application that handles the signal itself decides how it ends.
  const isOurs = process.listenerCount(signal) === 1
  // A second signal, of a person who will not wait, meets no handler of ours; nor does the one that we raise again, so that
  // the parent sees how the process died.
  uninstall()
  void endAll().finally(() => {
    if (isOurs) process.kill(process.pid, signal)
  })
}

function onBeforeExit(): void {
  // What is opened from here on installs them anew; twice, the second would not wait for what the first ends.
  uninstall()
  void endAll()
}

async function endAll(): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, LONGEST_MS)
  const ends = [...open]
  open.clear()
  await Promise.race([Promise.allSettled(ends.map((end) => end())), late.promise])
  clearTimeout(timer)
}
