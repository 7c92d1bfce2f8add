import type { Audit, Draft } from "#audit"
import { base64url, digest, type Id, type Json, newId, random } from "#kernel"
import { type SoftwarePasskey, softwarePasskey, type Wrong } from "#testing"
import type { CardFacts } from "../card/facts.ts"
import { challengeOf, digestOfJson, inclusionIn, type Statement } from "../statement.ts"
import { type Bundle, writeBundle } from "./bundle.ts"
import type { Draw } from "./decided.ts"

/** Where the tests' server is. */
export const issuer = "https://safeconduct.example"
/** Events of other rooms that evidence tells of. */
export const foreignEvents = Object.fromEntries(
  [
    ...["gate.action-held", "gate.action-begun", "gate.action-succeeded", "gate.action-failed"],
    ...["credentials.lease-intended", "credentials.lease-issued", "test.something"],
  ].map((event) => [event, "As in its room."]),
)

/** Draws what there is to draw in these tests: all that matters is that it depends on every fact. */
export const draw: Draw<Json> = (facts, locale) => {
  const card = { facts: facts as unknown as Json, locale }
  return { card, version: "test/1", digest: digestOfJson(card) }
}

/** What a story of an approval is told with; each may be wrong. */
export type Story = {
  alice: Id<"user">
  passkey: SoftwarePasskey
  /** Changes what each entry says, by the name of its step, before it is recorded; null leaves it out. */
  change?: (step: string, draft: Draft) => Draft | null
  /** What the passkey does wrong. */
  wrong?: Wrong
  /** What is drawn instead, and recorded as what it was drawn from. */
  drawn?: CardFacts
  /** Changes the statement that is signed, and that is recorded. */
  signed?: (statement: Statement) => Statement
  /** Another way than the passkey, and what it is evidenced by. */
  by?: (over: { challenge: Buffer; statement: Statement }) => { way: string; evidence: { [name: string]: Json } }
  /** Other statements that are signed with it, before and after. */
  beside?: [Statement[], Statement[]]
  /** Ends it before the action. */
  isUnused?: boolean
  /** How often she took more time, and until how many seconds from now each lasted. */
  extended?: readonly number[]
}

/** What the card of the story is drawn from. */
export const facts: CardFacts = {
  version: 1,
  templates: { en: "Raise {employee} to {amount}" },
  operation: { type: "tool", name: "raise", description: null },
  resource: { name: "hr", description: null },
  elevated: "money",
  irreversible: false,
  agent: { name: "bot", description: "", owner: "owner@example.org" },
  through: [],
  application: null,
  purpose: { name: "answer", description: "Do HR work" },
  user: { provider: "hr", subject: "alice" },
  request: null,
  arguments: [
    { name: "amount", value: 5200, finding: "free", origin: null, isSink: false, unusual: null },
    { name: "employee", value: "E-7", finding: "free", origin: null, isSink: false, unusual: null },
  ],
  reasons: ["A salary changes."],
  policies: ["raises-are-signed"],
  leaseSeconds: null,
  before: 0,
  said: "please",
}

/** Records an approval from its request to its use, as the rooms do, and returns its evidence. */
export async function tell(audit: Audit, story: Story): Promise<{ bundle: Bundle; text: string }> {
  const { alice, passkey, change = (_, draft) => draft, signed = (statement) => statement, wrong = {} } = story
  const { drawn = facts } = story
  const approval = newId("approval")
  const [held, begun] = [newId("entry"), newId("entry")]
  const [bot, agent] = ["spiffe://example.org/agent/bot", { name: "bot", instance: "instance_1", svid: "01" }]
  const salt = base64url(random(16))
  const said = {
    type: "tool",
    resource: "hr",
    operation: "raise",
    arguments: { employee: "E-7", amount: 5200 },
  } as const
  const action = { id: newId("action"), digest: base64url(digest({ ...said, salt })), salt, ...said }
  const { arguments: _values, salt: _salt, ...reference } = action
  const about = { session: newId("session"), purpose: "answer", user: alice, action: reference }
  const expiresAt = new Date(Date.now() + 300_000).toISOString()
  const recorded: { id: Id<"entry">; index: number }[] = []
  const record = async (step: string, given: Draft): Promise<void> => {
    const draft = change(step, given)
    if (draft !== null) recorded.push(...(await audit.commit({ entries: () => [draft] })).entries)
  }

  await record("enrolled", {
    event: "approvals.passkey-enrolled",
    by: alice,
    user: alice,
    data: {
      credentialId: passkey.id,
      publicKey: base64url(passkey.publicKey),
      rpId: new URL(issuer).hostname,
      origin: issuer,
      countsFrom: new Date().toISOString(),
    },
    personal: { iss: "https://id.example", sub: "alice" },
  })
  await record("held", { id: held, event: "gate.action-held", by: bot, agent, ...about, data: { approval } })
  await record("requested", {
    event: "approvals.requested",
    by: bot,
    ...about,
    of: held,
    data: {
      approval,
      requirements: [{ of: "user", rung: "sign", required: 1 }],
      policies: ["raises-are-signed"],
      policyVersion: "policy_1",
      expiresAt,
    },
    personal: { facts: drawn as unknown as Json, action: action as unknown as Json },
  })
  const times = (story.extended ?? []).map((seconds) => new Date(Date.now() + seconds * 1_000).toISOString())
  for (const until of times) {
    await record("extended", { event: "approvals.extended", by: alice, ...about, data: { approval, expiresAt: until } })
  }
  const { version, digest: shown } = draw(drawn, "en")
  const statement = signed({
    v: "safeconduct/approval/1",
    nonce: base64url(random(16)),
    issuer,
    approval,
    decision: "approve",
    approver: alice,
    user: alice,
    agent: { name: "bot", spiffeId: bot, instance: "instance_1", confirmation: { "x5t#S256": "t" } },
    session: about.session,
    purpose: "answer",
    chain: [],
    action,
    policy: { version: "policy_1", policies: ["raises-are-signed"] },
    bounds: null,
    card: { version, locale: "en", digest: shown },
    requestedAt: new Date().toISOString(),
    expiresAt: times.at(-1) ?? expiresAt,
  })
  const [before, after] = story.beside ?? [[], []]
  const statements = [...before, statement, ...after]
  const options = { challenge: base64url(challengeOf(statements)), rpId: new URL(issuer).hostname }
  const { clientDataJSON, authenticatorData, signature } = passkey.get(options, issuer, wrong).response
  const key = { credentialId: passkey.id, publicKey: base64url(passkey.publicKey) }
  const byPasskey = { way: "passkey", evidence: { ...key, clientDataJSON, authenticatorData, signature } }
  const { way, evidence } = story.by?.({ challenge: challengeOf(statements), statement }) ?? byPasskey
  await record("approved", {
    event: "approvals.approved",
    by: alice,
    ...about,
    data: { approval, decision: "approve", way, countsFor: ["user"] },
    personal: {
      statement: statement as unknown as Json,
      evidence: {
        ...evidence,
        index: before.length,
        size: statements.length,
        inclusion: inclusionIn(statements, before.length).map((hash) => base64url(hash)),
      },
    },
  })
  if (story.isUnused !== true) {
    const data = { approval, policyVersion: "policy_1" }
    await record("begun", { id: begun, event: "gate.action-begun", by: bot, agent, ...about, data })
    const lease = { by: "server", session: about.session, data: { approval, lease: "lease_1" } }
    await record("intended", { event: "credentials.lease-intended", ...lease })
    await record("issued", { event: "credentials.lease-issued", ...lease, of: begun })
  }
  const entries = await Promise.all(
    recorded.map(async ({ id }) => {
      const [{ text, disclosures = {} }, receipt] = await Promise.all([audit.entry(id), audit.receipt(id)])
      return { text, receipt, disclosures }
    }),
  )
  const bundle: Bundle = { v: "safeconduct/evidence/1", approval, entries }
  return { bundle, text: writeBundle(bundle) }
}

/** Alice and a passkey of hers. */
export function somebody(kind: Parameters<typeof softwarePasskey>[0] = {}): Pick<Story, "alice" | "passkey"> {
  return { alice: newId("user"), passkey: softwarePasskey(kind) }
}
