import { z } from "zod"
import { type Change, type Draft, isRecorded } from "#audit"
import { type Id, isId, type Journal, type JournalLine, type Json, Refusal, sqlState } from "#kernel"
import { ending } from "./end.ts"
import type { Rooms } from "./rooms.ts"
import { revoking, stopping } from "./stop.ts"
import { isUnrecordable } from "./unrecorded.ts"

/** What was commanded while nothing could be recorded: it holds on this server at once, and in the database on its return. */
export type Command = z.infer<typeof commandSchema>

const commandSchema = z.discriminatedUnion("what", [
  z.strictObject({ what: z.literal("end-session"), session: z.string().refine((id): boolean => isId("session", id)) }),
  z.strictObject({
    what: z.literal("stop-agent"),
    agent: z.string().max(100),
    /** Of its registration, where this server knew it: the name may be another agent's when the database hears of it. */
    id: z.string().max(100).optional(),
    to: z.enum(["suspended", "retired"]),
    reason: z.string().max(500),
  }),
  z.strictObject({
    what: z.literal("revoke-instance"),
    agent: z.string().max(100),
    instance: z.string().refine((id): boolean => isId("instance", id)),
    reason: z.string().max(500),
  }),
])
const draftSchema = z.looseObject({
  event: z.string().regex(/^(credentials|gate)\.[a-z-]+-journalled$/),
  by: z.string(),
})

/**
 * What this server owes to the database (invariant 9): commands that it carried out as far as it could alone, and cuts that it
 * could not record. Each is refused from memory until the database has it, so that nothing is given in between.
 */
export interface Owed {
  /**
   * Holds from now on; durable in the journal when it resolves, with the id of the entry that it will be. Throws
   * `not-recorded`: then it holds as long as this process lives; `session-unknown`, `not-found` for what is no name of anything.
   */
  add(command: Command, by: string): Promise<Id<"entry">>
  /** Takes up what stands in the journal and gives the database what it takes. Rejects when it cannot be reached. */
  enter(): Promise<void>
}

type Parts = Omit<Rooms, "owed"> & { journal: Journal }

/** Owes nothing yet: enter() takes up what an earlier process left. */
export function createOwed(parts: Parts): Owed {
  const { journal, log } = parts
  /** By what the command is about. */
  const held = new Map<string, Disposable>()
  const complained = new Set<string>()
  /** One round after another: two at once would enter the same line. */
  let entering: Promise<void> = Promise.resolve()

  const hold = (command: Command) => {
    const subject = subjectOf(command)
    if (!held.has(subject)) held.set(subject, holdHere(parts, command))
  }
  const release = (command: Command) => {
    const subject = subjectOf(command)
    const others = journal.pending.map(({ command: each }) => commandSchema.safeParse(each).data)
    if (others.some((each) => each !== undefined && subjectOf(each) === subject)) return
    held.get(subject)?.[Symbol.dispose]()
    held.delete(subject)
  }
  const enterOne = async (line: JournalLine) => {
    const command = line.command === null ? null : commandSchema.parse(line.command)
    await enterLine(parts, line, command)
    // A crash here leaves a line whose entry is in the log: whoever reads it finds that.
    await journal.settle(line)
    if (command !== null) release(command)
  }

  return {
    async add(command, by) {
      requireName(command)
      hold(command)
      const known = journal.pending.find(({ command: other }) => other !== null && isSame(other, command))
      // Asked once more while it is owed: one entry is enough.
      if (known !== undefined && known.draft["by"] === by) return known.id
      const [draft, json] = [draftOf(command, by), command] as { [name: string]: Json }[]
      const line = await journal.write({ draft: draft!, command: json! })
      return line.id
    },
    enter() {
      entering = entering.catch(() => undefined).then(enterAll)
      return entering
    },
  }

  async function enterAll(): Promise<void> {
    await journal.load()
    for (const { command } of journal.pending) {
      const parsed = commandSchema.safeParse(command)
      if (parsed.success) hold(parsed.data)
    }
    for (const line of journal.pending) {
      try {
        await enterOne(line)
      } catch (error) {
        if (error instanceof Refusal && isUnrecordable(error)) throw error
        // Another process of this machine was faster; the next look finds its entry.
        if (sqlState(error) === UNIQUE_VIOLATION) continue
        if (!complained.has(line.id)) log.error("a line of the journal cannot be entered", { line: line.id, error })
        complained.add(line.id)
      }
    }
  }
}

const UNIQUE_VIOLATION = "23505"
const LOOK_MS = 250

/** Gives the database what is owed as soon as it takes it. */
export function startEntering({ owed, log }: Pick<Rooms, "owed" | "log">): AsyncDisposable {
  let isStopped = false
  let timer: NodeJS.Timeout
  const look = async () => {
    await owed.enter().catch((error: unknown) => log.debug("the journal cannot be entered yet", { error }))
    if (!isStopped) timer = setTimeout(again, LOOK_MS)
  }
  let running: Promise<void> = Promise.resolve()
  const again = () => {
    running = look()
  }
  timer = setTimeout(again, LOOK_MS)
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true
      clearTimeout(timer)
      await running
      clearTimeout(timer)
    },
  }
}

function holdHere({ sessions, agents }: Parts, command: Command): Disposable {
  switch (command.what) {
    case "end-session":
      return sessions.endHere(command.session)
    case "stop-agent":
      return agents.stopHere(command.agent, command.to)
    case "revoke-instance":
      return agents.revokeHere(command.instance)
  }
}

async function enterLine(parts: Parts, line: JournalLine, command: Command | null): Promise<void> {
  try {
    await parts.audit.commit(entering(parts, line, command))
  } catch (error) {
    // What it was about is not there any more, or never was: that it was commanded is recorded all the same.
    const isGone = error instanceof Refusal && ["session-unknown", "not-found"].includes(error.code)
    if (!isGone || command === null) throw error
    await parts.audit.commit(entering(parts, line, null, error.code))
  }
  // A crash here leaves leases that are marked, or a stopped agent with sessions: the sweeps of any server take them.
  await parts.epoch.refresh()
  if (command?.what !== "end-session") return
  parts.credentials
    .revokeSession(command.session, "session-ended", line.draft["by"] as string)
    .catch((error: unknown) => {
      parts.log.warn("leases of a session that was ended are left to the sweep", { session: command.session, error })
    })
}

/** The line's own entry and what its command changes, in one transaction, once: the entry's id was promised. */
function entering(parts: Parts, line: JournalLine, command: Command | null, found?: string): Change<unknown> {
  const { data, ...draft } = draftSchema.parse(line.draft) as unknown as Draft
  const inner: Change<unknown> | null = command === null ? null : changeOf(parts, command, draft.by)
  let isNew = false
  return {
    async work(tx) {
      // In a log that was closed since as well: the command would be carried out once more, over whatever was done after it.
      isNew = !(await isRecorded(tx, line.id))
      return isNew ? await inner?.work?.(tx) : undefined
    },
    entries: (result) => {
      if (!isNew) return []
      const late = { ...draft, id: line.id, data: { ...data, at: line.at, ...(found !== undefined && { found }) } }
      return [late, ...(inner?.entries(result) ?? [])]
    },
  }
}

function changeOf(parts: Parts, command: Command, by: string): Change<unknown> {
  if (command.what === "end-session") return ending(parts, command.session, "ended", by) as Change<unknown>
  if (command.what === "revoke-instance") return revoking(parts, command, by) as Change<unknown>
  const { agent: name, id, to, reason } = command
  return stopping(parts, { name, id, to, reason, by })
}

/** A line that cannot be read again would stay in the journal for good. */
function requireName(command: Command): void {
  if (commandSchema.safeParse(command).success) return
  if (command.what === "end-session") throw new Refusal("session-unknown", "There is no session of that id.")
  throw new Refusal("not-found", "No agent has a name, and no instance an id, like that.")
}

function draftOf(command: Command, by: string): Draft {
  if (command.what === "end-session") return { event: "gate.session-end-journalled", by, session: command.session }
  // The reason is free text and may name people; it goes with the command's own entry.
  if (command.what === "revoke-instance") {
    const { agent, instance } = command
    return { event: "gate.instance-revocation-journalled", by, data: { agent, instance } }
  }
  return { event: "gate.agent-stop-journalled", by, data: { agent: command.agent, to: command.to } }
}

function subjectOf(command: Command): string {
  switch (command.what) {
    case "end-session":
      return command.session
    case "stop-agent":
      return `${command.agent} ${command.to}`
    case "revoke-instance":
      return command.instance
  }
}

function isSame(json: { [name: string]: Json }, command: Command): boolean {
  return JSON.stringify(commandSchema.safeParse(json).data) === JSON.stringify(commandSchema.parse(command))
}
