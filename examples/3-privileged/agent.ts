/**
 * The HR department's agent. It holds no key to the HR database and no token of anybody: Safeconduct gives it a key for each thing
 * that it does, and where that takes Alice's approval, a key to exactly what she approved, once. No language model, so that the
 * example needs none: where a model would choose what to do, this looks for words, and believes whatever it reads.
 */
import type { Pending, Session } from "@safeconduct/sdk"
import pg from "pg"

/** How the agent waits for whoever has to approve: told of each request as it begins to wait. */
export type Waiting = { onPending?: (pending: Pending) => void; justification?: string }

/** Looks people up by their name. Nobody is asked. */
export async function lookUp(session: Session, name: string): Promise<{ id: string; name: string }[]> {
  return await withKey(session, "look-up", {}, {}, (hr) =>
    hr.query<{ id: string; name: string }>(
      "select id, name from employees where name ilike '%' || $1 || '%' and status = 'employed' order by id",
      [name],
    ),
  )
}

/** Enters somebody new. Alice is told of it at once. */
export async function onboard(session: Session, person: { id: string; name: string; role: string }): Promise<void> {
  const { id, name, role } = person
  await withKey(session, "onboard", person, {}, (hr) =>
    hr.query("insert into employees (id, name, role) values ($1, $2, $3)", [id, name, role]),
  )
}

/** Changes a salary, once Alice signed for it. */
export async function raiseSalary(session: Session, employee: string, euros: number, waiting: Waiting): Promise<void> {
  await withKey(session, "raise-salary", { employee, euros }, waiting, (hr) =>
    hr.query("update salaries set euros = $2 where employee = $1", [employee, euros]),
  )
}

/** Ends somebody's employment, once Alice signed for it. */
export async function offboard(session: Session, employee: string, waiting: Waiting): Promise<void> {
  await withKey(session, "offboard", { employee }, waiting, (hr) =>
    hr.query("update employees set status = 'left' where id = $1", [employee]),
  )
}

/** Reads a document, and does what it says, as agents do. Resolves when everything that it tried has come to something. */
export async function workOn(
  session: Session,
  document: string,
  waiting: Waiting,
): Promise<PromiseSettledResult<void>[]> {
  const text = await session.perform({ type: "tool", resource: "office", operation: "read" }, async () => document)
  if (!/end the employment of everybody/i.test(text)) return []
  const everybody = await lookUp(session, "")
  return await Promise.allSettled(everybody.map(({ id }) => offboard(session, id, waiting)))
}

/** Runs a statement with a key that is gone when it is answered, and waits for whoever has to approve that it is made. */
export async function withKey<Row extends pg.QueryResultRow>(
  session: Session,
  operation: string,
  given: Record<string, unknown>,
  waiting: Waiting,
  work: (hr: pg.Client) => Promise<pg.QueryResult<Row>>,
): Promise<Row[]> {
  await using lease = await session.lease("hr", { operation, arguments: given, wait: true, ...waiting })
  const hr = new pg.Client(lease.settings)
  hr.on("error", () => undefined)
  await hr.connect()
  try {
    return (await work(hr)).rows
  } finally {
    await hr.end()
  }
}
