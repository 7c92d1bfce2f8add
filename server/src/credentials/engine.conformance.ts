import assert from "node:assert/strict"
import { test } from "node:test"
import { type Id, newId, randomText } from "#kernel"
import type { Behalf } from "./behalf.ts"
import type { Account, Credential, Engine, Order } from "./engine.ts"
import { roleName } from "./lease.ts"
import type { ResourcePart } from "./part.ts"

/** A resource made for the suite: prepared, with one operation, and a way to use what was issued. */
export interface ConformanceResource extends AsyncDisposable {
  engine: Engine
  part: ResourcePart
  operation: string
  /**
   * Opens something with the credential; `use` rejects once it was taken away, `ended` resolves when it is cut. `subject` is
   * whose the resource's own rules find it to be; null for nobody's.
   */
  connect(
    credential: Credential,
  ): Promise<{ use(): Promise<unknown>; subject(): Promise<string | null>; ended: Promise<void> }>
  /** Whose the resource still takes a user's account to be, after it was taken away; null for nobody's. */
  subjectOf(account: Account): Promise<string | null>
}

/** What every engine must pass. `open` is called once per test. */
export function engineConformance(title: string, open: () => Promise<ConformanceResource>): void {
  const deployment = randomText(8)
  const orderOf = ({ part, operation }: ConformanceResource, behalf: Partial<Behalf> = {}): Order => {
    const lease = newId("lease") as Id<"lease">
    const own = { user: null, application: null, chain: [], parameters: {}, approval: null }
    const about = { lease, session: newId("session"), purpose: "order-help", agent: "support-bot" }
    return {
      name: roleName(deployment, lease),
      part,
      operation,
      expiresAt: new Date(Date.now() + 60_000),
      comment: "lease for a test",
      binding: { ...about, ...own, ...behalf },
    }
  }

  test(`${title}: a credential works once it is issued, and the account is there`, async () => {
    await using at = await open()
    const order = orderOf(at)
    const made = await at.engine.issue(order)
    await (await at.connect(made.credential.reveal())).use()
    const [trace] = await at.engine.readBack([{ name: order.name, oid: made.oid }])
    assert.deepEqual([trace?.hasAccount, (trace?.connections ?? 0) >= 1], [true, true])
    await at.engine.revoke({ name: order.name, oid: made.oid })
  })

  test(`${title}: a name is issued once`, async () => {
    await using at = await open()
    const order = orderOf(at)
    const made = await at.engine.issue(order)
    await assert.rejects(at.engine.issue(order))
    await at.engine.revoke({ name: order.name, oid: made.oid })
  })

  test(`${title}: after a revocation nothing of the account works or is left`, async () => {
    await using at = await open()
    const order = orderOf(at)
    const { oid, credential } = await at.engine.issue(order)
    const live = await at.connect(credential.reveal())
    let wasCut = false
    const evidence = await at.engine.revoke({ name: order.name, oid }, () => {
      wasCut = true
    })
    await live.ended
    await assert.rejects(live.use())
    await assert.rejects(at.connect(credential.reveal()))
    assert.equal(wasCut, true)
    assert.equal(evidence.connectionsClosed, 1)
    assert.deepEqual(await at.engine.readBack([{ name: order.name, oid }]), [
      { name: order.name, oid, hasAccount: false, connections: 0 },
    ])
  })

  test(`${title}: revoking what is gone, or never was, succeeds; so does revoking twice at once`, async () => {
    await using at = await open()
    const order = orderOf(at)
    await at.engine.revoke({ name: order.name, oid: null })
    const { oid } = await at.engine.issue(order)
    const account = { name: order.name, oid }
    await Promise.all([
      at.engine.revoke(account),
      at.engine.revoke(account),
      at.engine.revoke({ ...account, oid: null }),
    ])
    assert.equal((await at.engine.revoke(account)).connectionsClosed, 0)
  })

  test(`${title}: the resource knows whose an account is while it is there, and that another is nobody's`, async () => {
    await using at = await open()
    const user = { id: newId("user") as Id<"user">, iss: "https://id.example", sub: "alice", claims: {} }
    const [hers, own] = [orderOf(at, { user }), orderOf(at)]
    const made = await Promise.all([hers, own].map((order) => at.engine.issue(order)))
    const subjects = made.map(async ({ credential }) => (await at.connect(credential.reveal())).subject())
    assert.deepEqual(await Promise.all(subjects), ["alice", null])
    const account = { name: hers.name, oid: made[0]!.oid }
    assert.equal(await at.subjectOf(account), "alice")
    await at.engine.revoke(account)
    assert.equal(await at.subjectOf(account), null)
    await at.engine.tidy()
    assert.equal(await at.subjectOf(account), null)
    await at.engine.revoke({ name: own.name, oid: made[1]!.oid })
  })

  test(`${title}: a renewal leaves the connection open and lets new ones in`, async () => {
    await using at = await open()
    const order = orderOf(at)
    const { oid, credential } = await at.engine.issue(order)
    const live = await at.connect(credential.reveal())
    await at.engine.renew({ name: order.name, oid }, new Date(Date.now() + 120_000))
    await live.use()
    await (await at.connect(credential.reveal())).use()
    await at.engine.revoke({ name: order.name, oid })
  })

  test(`${title}: the list holds the deployment's accounts and only counts another's`, async () => {
    await using at = await open()
    const order = orderOf(at)
    const { oid } = await at.engine.issue(order)
    const ours = await at.engine.list(deployment)
    assert.deepEqual(ours.accounts, [{ name: order.name, oid }])
    const theirs = await at.engine.list(randomText(8))
    assert.deepEqual([theirs.accounts, theirs.others >= 1], [[], true])
    await at.engine.revoke({ name: order.name, oid })
  })

  test(`${title}: activity is that of open connections`, async () => {
    await using at = await open()
    const order = orderOf(at)
    const { oid, credential } = await at.engine.issue(order)
    const account = { name: order.name, oid }
    assert.equal((await at.engine.activity([account])).size, 0)
    await (await at.connect(credential.reveal())).use()
    assert.ok((await at.engine.activity([account])).get(order.name) instanceof Date)
    await at.engine.revoke(account)
    assert.equal((await at.engine.activity([account])).size, 0)
  })
}
