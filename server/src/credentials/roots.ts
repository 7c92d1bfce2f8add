import { base64url, Refusal, random, Secret } from "#kernel"
import { openRoot, rootContext, unavailable } from "./desks.ts"
import { type Engine, type Finding, ResourceError, type Root } from "./engine.ts"
import { givesCredentials, type Resource } from "./part.ts"
import type { Room } from "./room.ts"
import { type RootRow, readRoots, tryLockRoot, writeRoot } from "./store.ts"

/** The account we hold at a resource now, and what the check warned of. */
export type Configured = { resource: string; username: string; warnings: Finding[] }

/**
 * Takes an account over: logs in, looks whether the resource is prepared, and changes the password at once, so that from
 * then on nobody else knows it. Throws `resource-unknown`, `root-rejected` (the login fails, or it is a superuser),
 * `resource-unprepared` with what to change in `detail.findings`, `resource-unavailable`.
 */
export async function configure(room: Room, name: string, root: Root, by: string): Promise<Configured> {
  const part = room.resources[name]
  if (part === undefined) throw new Refusal("resource-unknown", `There is no resource "${name}".`)
  if (!givesCredentials(part)) {
    throw new Refusal("resource-unknown", `There is no account to hold at "${name}": its operations are tools.`)
  }
  const resource = { name, part }
  return await alone(room, name, async () => {
    await using engine = room.desks.openWith(resource, root)
    const warnings = await inspect(engine, resource)
    await rotate(room, resource, { engine, root, by })
    return { resource: name, username: root.username, warnings }
  })
}

/** Ends rotations that a crash interrupted: finds out which password works, and makes it the new one. */
export async function recoverRoots(room: Room): Promise<void> {
  for (const row of await readRoots(room.database)) {
    const part = room.resources[row.resource]
    if (row.sealedPending === null || part === undefined) continue
    await alone(room, row.resource, () => recover(room, { name: row.resource, part })).catch((error: unknown) =>
      room.log.warn("an interrupted change of our password is not mended yet", { resource: row.resource, error }),
    )
  }
}

async function recover(room: Room, resource: Resource): Promise<void> {
  // Read again: the server that had the lock may have finished.
  const row = (await readRoots(room.database)).find((each) => each.resource === resource.name)
  if (row === undefined || row.sealedPending === null) return
  const pending = openRoot(room.keyring, { ...row, sealed: row.sealedPending })
  const worksNow = await logsIn(room, resource, pending)
  if (worksNow) return await confirm(room, row, "server")
  const root = openRoot(room.keyring, row)
  await using engine = room.desks.openWith(resource, root)
  await rotate(room, resource, { engine, root, by: "server" })
}

async function logsIn(room: Room, { name, part }: Resource, root: Root): Promise<boolean> {
  await using engine = room.desks.openWith({ name, part }, root)
  try {
    await engine.check(part)
    return true
  } catch (error) {
    if (error instanceof ResourceError && error.code?.startsWith("28")) return false
    throw error
  }
}

/** Findings that only warn; the others are refusals. */
async function inspect(engine: Engine, { name, part }: Resource): Promise<Finding[]> {
  let findings: Finding[]
  try {
    findings = await engine.check(part)
  } catch (error) {
    if (error instanceof ResourceError && error.code?.startsWith("28")) {
      throw new Refusal("root-rejected", `The resource "${name}" refused this login. Check name and password.`, {
        cause: error,
      })
    }
    if (!(error instanceof ResourceError)) throw error
    // For the operator, whose configuration it may be: a name, an address, a certificate.
    const what = `The resource "${name}" cannot be used. ${error.message}`
    throw new Refusal("resource-unavailable", what, { cause: error })
  }
  const rejected = findings.find(({ level }) => level === "reject")
  if (rejected) throw new Refusal("root-rejected", rejected.what, { detail: { findings } })
  const problems = findings.filter(({ level }) => level === "problem")
  if (problems.length > 0) {
    const what = `The resource "${name}" is not prepared: ${problems.map((problem) => problem.what).join(" ")}`
    throw new Refusal("resource-unprepared", `${what} Run "credentials postgres prepare".`, { detail: { findings } })
  }
  return findings
}

type Rotation = { engine: Engine; root: Root; by: string }

async function rotate(room: Room, { name }: Resource, { engine, root, by }: Rotation): Promise<void> {
  const next = new Secret(base64url(random(32)))
  const seal = (password: Secret) => room.keyring.seal(rootContext(name), password.reveal())
  const row: RootRow = {
    resource: name,
    username: root.username,
    sealed: seal(root.password),
    sealedPending: seal(next),
  }
  const { entries } = await room.audit.commit({
    work: (tx) => writeRoot(tx, row),
    entries: () => [
      {
        event: "credentials.root-rotating",
        by,
        data: { resource: name, username: root.username },
        deadlineSeconds: 60,
      },
    ],
  })
  // A crash here leaves both passwords sealed; recoverRoots() tries the new one, then the old one.
  try {
    await engine.rotateRoot(next)
  } catch (error) {
    throw unavailable(name, error)
  }
  // A crash here leaves the same, with the new one working.
  await confirm(room, row, by, entries[0]!.id)
}

async function confirm(room: Room, row: RootRow, by: string, intent?: string): Promise<void> {
  const { resource, username, sealedPending } = row
  await room.audit.commit({
    work: (tx) => writeRoot(tx, { ...row, sealed: sealedPending!, sealedPending: null }),
    entries: () => [
      {
        event: "credentials.root-configured",
        by,
        data: { resource, username },
        ...(intent === undefined ? {} : { of: intent }),
      },
    ],
  })
  await room.desks.forget(resource)
}

/** Two servers that change one password at once could leave one that neither knows. */
async function alone<T>(room: Room, resource: string, work: () => Promise<T>): Promise<T> {
  return await room.database.transaction(async (tx) => {
    if (await tryLockRoot(tx, resource)) return await work()
    throw new Refusal("overloaded", `The root of "${resource}" is being changed by somebody else. Try again.`)
  })
}
