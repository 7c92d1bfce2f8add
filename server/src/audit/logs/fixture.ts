import { SERVER_ROLE, systemClock } from "#kernel"
import { addLogKey, openFileSigner } from "../file-signer.ts"
import { origin, type TestAudit } from "../fixture.ts"

/** Name of the log after the first. */
export const second = "example.org/log/2"

/** What rotating needs; the next log's key is in the file beside the first's. */
export async function rotation({ store, keyPath }: TestAudit, reason = "a test") {
  const { vkey } = await addLogKey(keyPath, second)
  const [signer, next] = [await openFileSigner(keyPath, origin), await openFileSigner(keyPath, second)]
  const common = { owner: store.owner, serverRole: SERVER_ROLE, clock: systemClock, reason }
  const parts = { ...common, signer, next: async () => next }
  return { vkey, next, parts, open: (t: TestAudit) => t.another({ origin: second, signer: next }) }
}

/** The database as a backup from when the log had `size` entries would leave it. */
export async function restore({ store: { owner } }: TestAudit, size: number, root: Buffer) {
  for (const table of ["entries where index", "checkpoints where size - 1", "tiles where (index + 1) * 256 - 1"]) {
    await owner.query(`delete from audit.${table} >= ${size}`)
  }
  await owner.query("update audit.head set size = $1, root = $2", [size, root])
}
