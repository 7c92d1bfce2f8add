// What somebody's TypeScript sees of the packages: pack-check.sh compiles it against their declarations alone.
import {
  connect,
  type Decision,
  DeniedError,
  enrol,
  type Lease,
  type PostgresSettings,
  SafeconductError,
  type Session,
} from "@safeconduct/sdk"
import { type Dev, dev, silentLog } from "@safeconduct/server/programs"
import { type LogReport, verifyLog, verifyReceipt } from "@safeconduct/tlog"
import { folderReader } from "@safeconduct/tlog/folder"

/** Every noun of the SDK, once. */
export async function borrow(): Promise<PostgresSettings | readonly string[]> {
  await using safeconduct = await connect({
    folder: "identity",
    onProblem: (problem: SafeconductError) => console.error(problem.code),
  })
  await using session: Session = await safeconduct.open({ purpose: "answer-questions", hardEndSeconds: 60 })
  const decision: Decision = await session.act({
    type: "tool",
    resource: "mail",
    operation: "send",
    arguments: { to: "me" },
  })
  if (decision.verdict === "allow") await session.outcome(decision, "succeeded")
  try {
    await using lease: Lease = await session.lease("kb", { operation: "read" })
    return lease.settings
  } catch (error) {
    if (error instanceof DeniedError) return error.reasons
    if (error instanceof SafeconductError && error.isRetryable) return [error.code, String(error.status)]
    throw error
  }
}

/** The declarations must be types, not `any`: each of these is a mistake that the compiler has to find. */
export async function mistakes(session: Session): Promise<void> {
  // @ts-expect-error a purpose is needed
  await (await connect()).open({})
  // @ts-expect-error there is no such outcome
  await session.outcome({ entry: "entry_1" }, "perhaps")
  // @ts-expect-error a join token is needed
  await enrol({ url: "https://127.0.0.1:7443", folder: "identity" })
  // @ts-expect-error a log is needed
  await dev({ folder: "data" })
  // @ts-expect-error the key is needed
  await verifyReceipt("", new Uint8Array())
}

/** The server and the log. */
export async function run(vkey: string): Promise<LogReport> {
  await using server: Dev = await dev({ folder: "data", log: silentLog })
  const url: string = server.agentsUrl
  console.log(url)
  return await verifyLog(folderReader("log"), vkey, { older: "" })
}
