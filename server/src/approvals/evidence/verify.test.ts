import assert from "node:assert/strict"
import { generateKeyPairSync, sign } from "node:crypto"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { newNoteKey } from "@safeconduct/tlog"
import fc from "fast-check"
import { type Audit, migrations as auditMigrations, createLogKey, type Draft, openAudit, openFileSigner } from "#audit"
import { base64url, type Json, newId, Refusal, random, silentLog, systemClock } from "#kernel"
import { type TestDatabase, testDatabase, type Wrong } from "#testing"
import { checkCode } from "../card/code.ts"
import type { ArgumentFact, CardFacts } from "../card/facts.ts"
import { events } from "../events.ts"
import type { Statement } from "../statement.ts"
import { type Bundle, writeBundle } from "./bundle.ts"
import { draw, facts, foreignEvents, type Story, somebody, tell } from "./evidence.fixture.ts"
import { verifyEvidence } from "./verify.ts"

let store: TestDatabase
let audit: Audit
const folder = await mkdtemp(join(tmpdir(), "safeconduct-evidence-"))
before(async () => {
  store = await testDatabase({ rooms: [auditMigrations] })
  const keyPath = join(folder, "log.key")
  await createLogKey(keyPath, "example.org/log/1")
  const signer = await openFileSigner(keyPath, "example.org/log/1")
  const common = { database: store.database, clock: systemClock, log: silentLog, sweepMs: 3_600_000, checkpointMs: 0 }
  audit = await openAudit({ ...common, signer, origin: "example.org/log/1", events: { ...events, ...foreignEvents } })
})
after(async () => {
  await audit[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const verify = (text: string, vkeys = [audit.vkey]) => verifyEvidence(text, { vkeys, draw })

function notVerified(sentence: RegExp) {
  return (error: unknown) =>
    (error instanceof Refusal && error.code === "not-verified" && sentence.test(error.message)) ||
    assert.fail(String(error))
}

/** Changes what one step says. */
const at = (step: string, change: (draft: Draft) => Draft | null): Pick<Story, "change"> => ({
  change: (each, draft) => (each === step ? change(draft) : draft),
})
const saying = (step: string, data: { [name: string]: Json }) =>
  at(step, (draft) => ({ ...draft, data: { ...draft.data, ...data } }))

test("what was signed after more time was taken, twice, is proven with the entries that say so, and without none", async () => {
  const { bundle, text } = await tell(audit, { ...somebody(), extended: [600, 900] })
  assert.equal((await verify(text)).agreed.length, 1)
  const isMore = ({ text: leaf }: Bundle["entries"][number]) => leaf.includes("approvals.extended")
  const [first, second] = bundle.entries.filter(isMore)
  const swapped = bundle.entries.map((entry) => (entry === first ? second! : entry === second ? first! : entry))
  await assert.rejects(verify(writeBundle({ ...bundle, entries: swapped })), notVerified(/order of the log/))
  const without = bundle.entries.filter((entry) => entry !== second)
  await assert.rejects(verify(writeBundle({ ...bundle, entries: without })), notVerified(/not what was asked/))
})

for (const algorithm of ["ES256", "Ed25519", "RS256"] as const) {
  test(`evidence with ${algorithm} says who approved, what they saw, which agent, by which authority, and for what`, async () => {
    const { alice, passkey } = somebody({ algorithm })
    const { bundle, text } = await tell(audit, { alice, passkey })
    const found = await verify(text)
    assert.equal(found.approval, bundle.approval)
    assert.equal(found.agreed.length, 1)
    const [by] = found.agreed
    assert.deepEqual(
      { user: by!.user, way: by!.way, isSigned: by!.isSignedByThem, key: by!.credentialId, identity: by!.identity },
      {
        user: alice,
        way: "passkey",
        isSigned: true,
        key: passkey.id,
        identity: { iss: "https://id.example", sub: "alice" },
      },
    )
    assert.deepEqual((by!.card as { facts: object }).facts, facts)
    assert.deepEqual(found.asked.agent, {
      name: "bot",
      spiffeId: "spiffe://example.org/agent/bot",
      instance: "instance_1",
    })
    assert.deepEqual(found.action.arguments, { employee: "E-7", amount: 5200 })
    assert.equal(found.authority.policyVersion, "policy_1")
    assert.deepEqual([found.used!.leases, found.used!.outcome], [["lease_1"], "succeeded"])
  })
}

test("an approval that was not used yet is proven all the same", async () => {
  const { text } = await tell(audit, { ...somebody(), isUnused: true })
  assert.equal((await verify(text)).used, null)
})

test("one of several that were signed together is proven by its place among them", async () => {
  const others = Array.from({ length: 6 }, (_, nth) => ({ v: "safeconduct/approval/1", nonce: `n${nth}` }) as Statement)
  for (let place = 0; place <= others.length; place++) {
    const beside: Story["beside"] = [others.slice(0, place), others.slice(place)]
    await verify((await tell(audit, { ...somebody(), beside })).text)
  }
})

describe("a byte that was changed is found, whichever it is", () => {
  test("any bit of the file", async () => {
    const { text } = await tell(audit, somebody())
    await verify(text)
    const bytes = Buffer.from(text)
    const flip = async (position: number, bit: number) => {
      const changed = Buffer.from(bytes)
      changed[position]! ^= 1 << bit
      const decoded = changed.toString("utf8")
      await assert.rejects(verify(decoded), notVerified(/./), `byte ${position}, bit ${bit}`)
    }
    for (let position = 0; position < bytes.length; position += 11) await flip(position, position % 8)
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), (position, bit) => flip(position, bit)),
      { numRuns: 600 },
    )
  })

  test("any that is cut off, put in or doubled", async () => {
    const { text } = await tell(audit, somebody())
    const places = fc.nat(text.length - 1)
    await fc.assert(
      fc.asyncProperty(places, fc.constantFrom("cut", "drop", "double", "space"), async (place, how) => {
        const head = text.slice(0, place)
        const changed = {
          cut: head,
          drop: head + text.slice(place + 1),
          double: head + text[place] + text.slice(place),
          space: `${head} ${text.slice(place)}`,
        }[how]
        // One of two letters that are alike may be dropped, which is the same as the other.
        fc.pre(changed !== text)
        await assert.rejects(verify(changed), notVerified(/./))
      }),
      { numRuns: 300 },
    )
  })

  test("an entry that is missing, doubled, moved or of another approval, and every other log's key", async () => {
    const { bundle, text } = await tell(audit, somebody())
    const { bundle: other } = await tell(audit, somebody())
    const of = (entries: Bundle["entries"]) => writeBundle({ ...bundle, entries })
    // Enrolment, wait, request, approval and use; without what came of it, what is left is true, only less.
    for (let nth = 0; nth < 5; nth++) {
      const without = bundle.entries.toSpliced(nth, 1)
      await assert.rejects(verify(of(without)), notVerified(/./), `without entry ${nth}`)
    }
    assert.equal((await verify(of(bundle.entries.slice(0, 5)))).used!.outcome, null)
    for (let nth = 0; nth < bundle.entries.length; nth++) {
      await assert.rejects(verify(of(bundle.entries.toSpliced(nth, 0, bundle.entries[nth]!))), notVerified(/order/))
    }
    await assert.rejects(verify(of(bundle.entries.toReversed())), notVerified(/order/))
    await assert.rejects(verify(of([...bundle.entries, ...other.entries])), notVerified(/nothing to do with/))
    await assert.rejects(verify(writeBundle({ ...bundle, approval: other.approval })), notVerified(/no request/))
    const { vkey } = await newNoteKey("example.org/log/1")
    for (const vkeys of [[], ["nonsense"], [vkey]]) {
      await assert.rejects(verify(text, vkeys), notVerified(/./))
    }
  })

  test("values that were erased: nobody can say what they saw, and it is not guessed", async () => {
    const { bundle } = await tell(audit, somebody())
    for (const name of ["facts", "action", "statement", "evidence"]) {
      const entries = bundle.entries.map((entry) => {
        const { [name]: _, ...disclosures } = entry.disclosures
        return { ...entry, disclosures }
      })
      await assert.rejects(verify(writeBundle({ ...bundle, entries })), notVerified(/disclosed/))
    }
  })
})

const wrongs: [string, Wrong, RegExp][] = [
  ["another site", { origin: "https://evil.example" }, /another site asked/],
  ["another site's page", { crossOrigin: true }, /drawn into/],
  ["another site's key", { rpId: "evil.example" }, /another site's/],
  ["nobody verified", { isUserVerified: false }, /did not verify/],
  ["another statement", { challenge: base64url(random(32)) }, /not this statement/],
  ["a registration", { type: "webauthn.create" }, /not an answer/],
  ["a signature that is none", { signature: () => Buffer.alloc(71, 48) }, /signature does not verify/],
]
for (const [what, wrong, sentence] of wrongs) {
  test(`although the log has it, an approval is not proven by ${what}`, async () => {
    await assert.rejects(verify((await tell(audit, { ...somebody(), wrong })).text), notVerified(sentence))
  })
}

const other = newId("user")
const early = "2020-01-01T00:00:00.000Z"
const stories: [string, Omit<Story, "alice" | "passkey">, RegExp][] = [
  ["the key was never enrolled", at("enrolled", () => null), /never enrolled/],
  ["the key is somebody else's", at("enrolled", (draft) => ({ ...draft, user: other })), /somebody else's/],
  ["another key was enrolled", saying("enrolled", { publicKey: "AAAA" }), /not the one that was enrolled/],
  ["the key is for another site", saying("enrolled", { origin: "https://evil.example" }), /another site than/],
  ["the key counts later", saying("enrolled", { countsFrom: "2999-01-01T00:00:00.000Z" }), /did not count yet/],
  ["the key counts once it is confirmed", saying("enrolled", { countsFrom: null }), /did not count yet/],
  ["somebody else decided", at("approved", (draft) => ({ ...draft, by: other })), /not what was asked/],
  [
    "somebody else's word counted as the user's",
    {
      change: (step, draft) => (step === "enrolled" ? draft : { ...draft, user: other }),
      signed: (each) => ({ ...each, user: other }),
    },
    /counted for whom they may not speak/,
  ],
  [
    "the user was the second of two",
    {
      change: (step, draft) => {
        const requirements = [{ of: "hr-leads", rung: "quorum", required: 1 }]
        if (step === "requested") return { ...draft, data: { ...draft.data, requirements } }
        return step === "approved" ? { ...draft, data: { ...draft.data, countsFor: ["hr-leads"] } } : draft
      },
    },
    /counted for whom they may not speak/,
  ],
  ["it takes none of those whom it names", saying("requested", { requirements: [{ of: "x", required: 0 }] }), /whose/],
  ["the way is an operator's", saying("approved", { way: "operator" }), /none that is known/],
  [
    "nobody could say when its time was over",
    { ...saying("requested", { expiresAt: "soon" }), signed: (each) => ({ ...each, expiresAt: "soon" }) },
    /too late/,
  ],
  ["nobody decided for whom it takes", saying("approved", { countsFor: [] }), /not everybody/],
  ["it takes two", saying("requested", { requirements: [{ of: "user", rung: "sign", required: 2 }] }), /not everybody/],
  ["it takes nobody", saying("requested", { requirements: [] }), /whose approval/],
  ["the way is unknown", saying("approved", { way: "oral" }), /none that is known/],
  ["the request ended at another time", saying("requested", { expiresAt: early }), /not what was asked/],
  [
    "it was decided too late",
    { ...saying("requested", { expiresAt: early }), signed: (each) => ({ ...each, expiresAt: early }) },
    /too late/,
  ],
  ["more time was taken than is told of", { ...at("extended", () => null), extended: [600] }, /not what was asked/],
  [
    "less time was taken than was signed for",
    { extended: [600], signed: (each) => ({ ...each, expiresAt: new Date(Date.now() + 300_000).toISOString() }) },
    /not what was asked/,
  ],
  ["more time was taken, and it was too late all the same", { extended: [600, -60] }, /too late/],
  ["other policies ask", saying("requested", { policies: ["other"] }), /card told of something else/],
  ["another version is in force when it is used", saying("begun", { policyVersion: "policy_2" }), /something else/],
  ["another session used it", at("begun", (draft) => ({ ...draft, session: newId("session") })), /something else/],
  [
    "another instance used it",
    at("begun", (draft) => ({ ...draft, agent: { ...draft.agent!, instance: "2" } })),
    /something else/,
  ],
  [
    "another agent used it",
    at("begun", (draft) => ({ ...draft, by: "spiffe://example.org/agent/x" })),
    /something else/,
  ],
  [
    "it was used for another action",
    at("begun", (draft) => ({ ...draft, action: { ...draft.action!, digest: "x" } })),
    /something else/,
  ],
  [
    "another action was held",
    at("held", (draft) => ({ ...draft, action: { ...draft.action!, operation: "x" } })),
    /not the one/,
  ],
  [
    "the arguments were others",
    at("requested", (draft) => {
      const action = draft.personal!["action"] as { [name: string]: Json }
      return { ...draft, personal: { ...draft.personal, action: { ...action, arguments: { amount: 1 } } } }
    }),
    /digest names/,
  ],
  [
    "the card was drawn from other facts",
    at("requested", (draft) => ({
      ...draft,
      personal: { ...draft.personal, facts: { ...facts, said: "x" } as unknown as Json },
    })),
    /not what the card is drawn from/,
  ],
]
for (const [what, story, sentence] of stories) {
  test(`an approval is not proven when ${what}`, async () => {
    await assert.rejects(verify((await tell(audit, { ...somebody(), ...story })).text), notVerified(sentence))
  })
}

const [amount, employee] = facts.arguments as [ArgumentFact, ArgumentFact]
const cards: [string, Partial<CardFacts>][] = [
  ["another operation", { operation: { ...facts.operation, name: "look" } }],
  ["another kind of action", { operation: { ...facts.operation, type: "http" } }],
  ["another resource", { resource: { name: "test", description: null } }],
  ["another amount", { arguments: [{ ...amount, value: 52 }, employee] }],
  ["an argument less", { arguments: [employee] }],
  ["an argument more", { arguments: [amount, employee, { ...amount, name: "currency", value: "EUR" }] }],
  ["one argument with two values", { arguments: [{ ...amount, value: 52 }, amount, employee] }],
  ["another agent", { agent: { ...facts.agent, name: "payroll" } }],
  ["an agent that handed it on", { through: ["payroll"] }],
  ["another purpose", { purpose: { name: "look", description: "Look" } }],
  ["an application that did not ask", { application: { name: "crm", description: "CRM" } }],
  ["nobody that it is for", { user: null }],
  ["another policy", { policies: ["other"] }],
  ["nothing of an action", { operation: null as never }],
]
for (const [what, shown] of cards) {
  test(`an approval is not proven when its card told of ${what}: people sign what they see`, async () => {
    const { text } = await tell(audit, { ...somebody(), drawn: { ...facts, ...shown } })
    await assert.rejects(verify(text), notVerified(/card told of something else/))
  })
}

test("an argument that a rule speaks of and that was not given stands on the card as nothing", async () => {
  const arguments_ = [...facts.arguments, { ...amount, name: "currency", value: null }]
  await verify((await tell(audit, { ...somebody(), drawn: { ...facts, arguments: arguments_ } })).text)
})

const signed: [string, (statement: Statement) => Statement][] = [
  ["another amount", (s) => ({ ...s, action: { ...s.action, arguments: { employee: "E-7", amount: 52_000 } } })],
  ["another session", (s) => ({ ...s, session: newId("session") })],
  ["another agent", (s) => ({ ...s, agent: { ...s.agent, name: "other" } })],
  ["another instance", (s) => ({ ...s, agent: { ...s.agent, instance: "other" } })],
  ["another user", (s) => ({ ...s, user: other })],
  ["another approval", (s) => ({ ...s, approval: newId("approval") })],
  ["another purpose", (s) => ({ ...s, purpose: "other" })],
  ["another chain", (s) => ({ ...s, chain: [{ session: newId("session"), agent: "x" }] })],
  ["another version of the policies", (s) => ({ ...s, policy: { ...s.policy, version: "policy_2" } })],
  ["other policies", (s) => ({ ...s, policy: { ...s.policy, policies: ["other"] } })],
  ["a denial", (s) => ({ ...s, decision: "deny" as "approve" })],
  ["another form", (s) => ({ ...s, v: "safeconduct/approval/2" as "safeconduct/approval/1" })],
  ["something more", (s) => ({ ...s, more: true }) as Statement],
]
for (const [what, change] of signed) {
  test(`an approval is not proven by a signature over ${what}`, async () => {
    await assert.rejects(
      verify((await tell(audit, { ...somebody(), signed: change })).text),
      notVerified(/not what was asked/),
    )
  })
}

test("nor by one over another card, another language, or a card that nobody draws any more", async () => {
  const shown = (card: Partial<Statement["card"]>) => (s: Statement) => ({ ...s, card: { ...s.card, ...card } })
  const cases: [Partial<Statement["card"]>, RegExp][] = [
    [{ digest: "x" }, /not what the card is drawn from/],
    [{ locale: "de" }, /not what the card is drawn from/],
    [{ version: "test/0" }, /version test\/0/],
  ]
  for (const [card, sentence] of cases) {
    const { text } = await tell(audit, { ...somebody(), signed: shown(card) })
    await assert.rejects(verify(text), notVerified(sentence))
  }
})

describe("a key that is revoked", () => {
  const revocation = ({ passkey, alice }: Pick<Story, "alice" | "passkey">): Draft => {
    return { event: "approvals.passkey-revoked", by: alice, user: alice, data: { credentialId: passkey.id } }
  }
  const proven = async (id: string) => {
    const [{ text }, receipt] = await Promise.all([audit.entry(id), audit.receipt(id)])
    return { text, receipt, disclosures: {} }
  }
  const inOrder = async ({ bundle }: { bundle: Bundle }, id: string) => {
    const entries = [...bundle.entries, await proven(id)]
    const indexOf = (each: { receipt: string }) => Number(/^index (\d+)$/m.exec(each.receipt)![1])
    return writeBundle({ ...bundle, entries: entries.toSorted((a, b) => indexOf(a) - indexOf(b)) })
  }

  test("before it signed proves nothing", async () => {
    const who = somebody()
    const { entries } = await audit.commit({ entries: () => [revocation(who)] })
    const told = await tell(audit, who)
    // Its enrolment is younger than its revocation here, and still it counts for nothing.
    await assert.rejects(verify(await inOrder(told, entries[0]!.id)), notVerified(/revoked before/))
  })

  test("afterwards leaves what it signed standing", async () => {
    const who = somebody()
    const told = await tell(audit, who)
    const { entries } = await audit.commit({ entries: () => [revocation(who)] })
    assert.equal((await verify(await inOrder(told, entries[0]!.id))).agreed[0]!.credentialId, who.passkey.id)
  })

  test("a confirmation before lets a key count that waited, one afterwards does not", async () => {
    const confirmation = (who: Pick<Story, "alice" | "passkey">): Draft => ({
      ...revocation(who),
      event: "approvals.passkey-confirmed",
      by: "spiffe://example.org/operator/olga",
    })
    const waits = saying("enrolled", { countsFrom: null })
    const early = somebody()
    const { entries } = await audit.commit({ entries: () => [confirmation(early)] })
    const told = await tell(audit, { ...early, ...waits })
    await verify(await inOrder(told, entries[0]!.id))
    const late = somebody()
    const afterwards = await tell(audit, { ...late, ...waits })
    const { entries: after } = await audit.commit({ entries: () => [confirmation(late)] })
    await assert.rejects(verify(await inOrder(afterwards, after[0]!.id)), notVerified(/did not count yet/))
  })
})

test("the same passkey's evidence for another person's decision is nothing", async () => {
  const { passkey } = somebody()
  const [alice, bob] = [newId("user"), newId("user")]
  const { text } = await tell(audit, {
    alice: bob,
    passkey,
    ...at("enrolled", (draft) => ({ ...draft, by: alice, user: alice })),
  })
  await assert.rejects(verify(text), notVerified(/somebody else's/))
})

describe("ways that are another's word", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const idToken = (claims: { [name: string]: Json }) => {
    const parts = [{ alg: "ES256" }, { iss: "https://id.example", sub: "alice", aud: "safeconduct", ...claims }]
    const input = parts.map((part) => base64url(Buffer.from(JSON.stringify(part)))).join(".")
    return `${input}.${base64url(sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }))}`
  }
  const word = (claims: { [name: string]: Json }): { [name: string]: Json } => ({
    ...{ provider: "hr", issuer: "https://id.example", clientId: "safeconduct", subjectClaim: "sub", subject: "alice" },
    ...{ idToken: idToken(claims), algorithm: "ES256", key: publicKey.export({ format: "jwk" }) as Json },
  })
  // Whose key it is does not matter to them, so that none is enrolled.
  const told = (by: NonNullable<Story["by"]>) => tell(audit, { ...somebody(), ...at("enrolled", () => null), by })

  test("a step-up's ID token is over the statement itself", async () => {
    const { text } = await told(({ challenge }) => ({
      way: "step-up",
      evidence: word({ nonce: base64url(challenge) }),
    }))
    const [by] = (await verify(text)).agreed
    assert.deepEqual(
      [by!.way, by!.isSignedByThem, by!.identity],
      ["step-up", false, { iss: "https://id.example", sub: "alice" }],
    )
    for (const claims of [{}, { nonce: "x" }, { nonce: base64url(random(32)) }] as { [name: string]: Json }[]) {
      const { text: other } = await told(() => ({ way: "step-up", evidence: word(claims) }))
      await assert.rejects(verify(other), notVerified(/nothing in particular|not this statement/))
    }
  })

  test("what a provider signed for somebody else, for another client or by another key is nothing", async () => {
    const changes: { [name: string]: Json }[] = [
      { subject: "mallory" },
      { clientId: "other" },
      { issuer: "https://other.example" },
      { algorithm: "RS256" },
      { key: generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "jwk" }) as Json },
      { idToken: "a.b.c" },
    ]
    for (const change of changes) {
      const { text } = await told(({ challenge }) => {
        return { way: "step-up", evidence: { ...word({ nonce: base64url(challenge) }), ...change } }
      })
      await assert.rejects(verify(text), notVerified(/provider/))
    }
  })

  test("a provider that asked by itself showed this action's code", async () => {
    const showing = (code?: string) =>
      told(({ statement }) => {
        return { way: "provider", evidence: { ...word({}), code: code ?? checkCode(statement.action.digest) } }
      })
    assert.equal((await verify((await showing()).text)).agreed[0]!.way, "provider")
    await assert.rejects(verify((await showing("AAA-AAA")).text), notVerified(/code/))
  })

  test("a tap is the server's word, and says so", async () => {
    const [by] = (await verify((await told(() => ({ way: "session", evidence: {} }))).text)).agreed
    assert.deepEqual([by!.way, by!.isSignedByThem, by!.identity], ["session", false, null])
  })
})
