import { z } from "zod"
import type { AgentsPart, Backchannel } from "#agents"
import type { ApprovalsPart } from "#approvals"
import { type Change, together } from "#audit"
import { givesCredentials, type ResourcesPart } from "#credentials"
import { Refusal } from "#kernel"
import { type Document, diff, type PolicySet, parse as parsePolicies, type Version } from "#policy"
import { type ActionDetail, parseDetails, rolesFor, type SessionsPart } from "#sessions"
import { missingOf, missingOfLookups, type Named } from "./check-rules.ts"
import { isOneAction } from "./ciba/one-action.ts"
import type { Rooms } from "./rooms.ts"

const named = z.record(z.string(), z.json())
const files = z.array(z.strictObject({ file: z.string().max(300), text: z.string() }))

/**
 * The whole configuration as `apply` sends it; each room checks its own part. Every part has to be there: one that was
 * left out by mistake would retire every agent. Only who signs users in, and what other enforcement points ask about, may be absent.
 */
export const documentSchema = z
  .strictObject({
    purposes: named,
    resources: named,
    agents: named,
    policies: files,
    providers: named.default({}),
    applications: named.default({}),
    approvals: named.default({}),
    schemas: files.default([]),
    entities: files.default([]),
  })
  // As it is stored: a part that is empty is not there, so that the digest is that of the same configuration without it.
  .transform(
    ({ providers, applications, approvals, schemas, entities, ...rest }): Document => ({
      ...rest,
      ...(Object.keys(providers).length > 0 ? { providers } : {}),
      ...(Object.keys(applications).length > 0 ? { applications } : {}),
      ...(Object.keys(approvals).length > 0 ? { approvals } : {}),
      ...(schemas.length > 0 ? { schemas } : {}),
      ...(entities.length > 0 ? { entities } : {}),
    }),
  )

/** A configuration that did not come over HTTP, where the schema stands in front. Throws `policy-invalid`. */
export function parseDocument(value: unknown): Document {
  const parsed = documentSchema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue!.path.map(String).join(".")
  throw new Refusal("policy-invalid", `${path}: ${issue!.message}.`, { detail: { path } })
}

/** What would change, in words, one line each; empty when nothing would. */
export type Difference = { digest: string | null; lines: string[] }

/** Checks a document wholly, as apply() would, and says what it would change. Throws `policy-invalid`. */
export function compare(rooms: Rooms, document: Document): Difference {
  check(rooms, document)
  const before = inForce(rooms)
  if (before === "broken") return { digest: null, lines: diff(null, document) }
  return { digest: before?.digest ?? null, lines: diff(before?.document ?? null, document) }
}

/**
 * Puts a document in force: all rooms' parts in one transaction, or none. `expected` is the digest that the difference was
 * shown against; when another version came in between, nothing is applied and it throws `idempotency-conflict`. A version
 * that does not load stands in nobody's way. Throws `policy-invalid`.
 */
export async function apply(rooms: Rooms, by: string, document: Document, expected?: string | null): Promise<Applied> {
  const applied = applying(rooms, by, document, expected)
  return await taken(rooms, applied, (await rooms.audit.commit(applied.change)).result)
}

/**
 * The same for one operator alone. Whether that is enough stands in the database, and this server may have what stood there before:
 * throws `idempotency-conflict` where two have to sign by now.
 */
export async function applyAlone(
  rooms: Rooms,
  by: string,
  document: Document,
  expected?: string | null,
): Promise<Applied> {
  const applied = applying(rooms, by, document, expected)
  const what = "Two operators have to sign changes by now. Look again, and apply anew."
  const alone = rooms.approvals.alone(new Refusal("idempotency-conflict", what))
  const { result } = await rooms.audit.commit(together(alone, applied.change))
  return await taken(rooms, applied, result[1])
}

/** A version that was put in force, and what that changed. */
export type Applied = Difference & { digest: string }

/** Putting a document in force, wanting only to be committed, perhaps with what allows it. */
export type Applying = { change: Change<[Version, unknown]>; lines: string[] }

/** See apply(). */
export function applying(rooms: Rooms, by: string, document: Document, expected?: string | null): Applying {
  const parts = check(rooms, document)
  const before = inForce(rooms)
  const lines = diff(before === "broken" ? null : (before?.document ?? null), document)
  const shown = before === "broken" ? undefined : expected
  const change = together(
    // First, because it waits for whoever else applies: what the others replace must be what that one left.
    rooms.policy.replace(document, parts.policies, by, shown),
    together(
      together(
        rooms.sessions.replace(parts, by),
        together(rooms.credentials.replace(parts.resources, by), rooms.approvals.replace(parts.approvals, by)),
      ),
      // An agent that is left out is retired: none of its leases may be confirmed behind the entry that says so.
      together(markingRetired(rooms, before, parts), registering(rooms, parts, by)),
    ),
  )
  return { change: change as Change<[Version, unknown]>, lines }
}

/** What was committed is in force here too. */
export async function taken(rooms: Rooms, { lines }: Applying, [version]: [Version, unknown]): Promise<Applied> {
  // A crash here leaves the new version in force; every server takes it in with the next reading of the epoch.
  await rooms.epoch.refresh()
  return { digest: version.digest, lines }
}

/** The agents, and what is left of the rights of operators who signed in at a provider that changed. */
function registering({ agents }: Rooms, { agents: part, providers }: Parts, by: string): Change<unknown> {
  const narrowing = agents.narrowSignIns((grounds) => rolesFor(providers, grounds), by)
  return together(agents.replace(part, by), narrowing) as Change<unknown>
}

/** The mark on the leases of every agent that the version before has and this one has not. */
function markingRetired({ credentials }: Rooms, before: Version | null | "broken", { agents }: Parts): Change<void> {
  const known = before === null || before === "broken" ? [] : Object.keys(before.document.agents ?? {})
  const marks = known
    .filter((name) => !Object.hasOwn(agents, name))
    .map((name) => credentials.marking({ agent: name }, "agent-retired"))
  return {
    async work(tx) {
      for (const mark of marks) await mark.work!(tx)
    },
    entries: () => [],
  }
}

/** What checks each room's part: the rooms, or where there is no server, what they parse with. */
export type Parsers = {
  sessions: Pick<Rooms["sessions"], "parse">
  credentials: Pick<Rooms["credentials"], "parse">
  agents: Pick<Rooms["agents"], "parse">
  approvals: Pick<Rooms["approvals"], "parse">
}

/** A configuration that was checked wholly. */
export type Parts = SessionsPart & {
  resources: ResourcesPart
  agents: AgentsPart
  approvals: ApprovalsPart
  policies: PolicySet
}

/** Checks a document as apply() does, with all that one part says of another. Throws `policy-invalid`. */
export function check(rooms: Parsers, document: Document): Parts {
  const parts = {
    ...rooms.sessions.parse(document),
    resources: rooms.credentials.parse(document.resources ?? {}),
    agents: rooms.agents.parse(document.agents ?? {}),
    approvals: rooms.approvals.parse(document),
    policies: parsePolicies(document.policies, null, document),
  }
  crossCheck(parts)
  return parts
}

/** Names that one part uses must exist in the other: a misspelt one would silently allow nothing. */
function crossCheck({ purposes, providers, applications, resources, agents, approvals, policies }: Parts): void {
  const need = (isThere: boolean, path: string, sentence: string) => {
    if (!isThere) throw new Refusal("policy-invalid", `${path}: ${sentence}`, { detail: { path } })
  }
  const claims = new Set(Object.values(providers).flatMap((provider) => Object.keys(provider.claims)))
  for (const [name, agent] of Object.entries(agents)) {
    for (const purpose of agent.purposes) {
      need(Object.hasOwn(purposes, purpose), `agents.${name}.purposes`, `there is no purpose "${purpose}".`)
    }
    // The registry knows the shape; sessions knows the rules, and one that it cannot read would allow nothing.
    const ceiling = parseDetails(agent.ceiling, `agents.${name}.ceiling`)
    checkDetails(ceiling, `agents.${name}.ceiling`, { claims, parameters: null, lookups: null })
    checkStandard(agent.backchannel, `agents.${name}.backchannel.defaultAuthorizationDetails`)
  }
  for (const [name, { actions, ...purpose }] of Object.entries(purposes)) {
    const [parameters, lookups] = [purpose.parameters, purpose.lookups].map((each) => new Set(Object.keys(each)))
    checkDetails(actions, `purposes.${name}.actions`, { claims, parameters: parameters!, lookups: lookups! })
    const missing = missingOfLookups(purpose, resources, claims)
    need(missing === null, `purposes.${name}.lookups.${missing?.path}`, `${missing?.problem}`)
  }
  for (const [name, application] of Object.entries(applications)) {
    for (const agent of application.agents) {
      need(Object.hasOwn(agents, agent), `applications.${name}.agents`, `there is no agent "${agent}".`)
    }
    for (const resource of application.resources) {
      need(Object.hasOwn(resources, resource), `applications.${name}.resources`, `there is no resource "${resource}".`)
    }
    for (const provider of Object.keys(application.providers)) {
      const path = `applications.${name}.providers`
      need(Object.hasOwn(providers, provider), path, `there is no provider "${provider}".`)
    }
  }
  for (const [name, { delegatedTokens: rules }] of Object.entries(providers)) {
    for (const agent of [...Object.values(rules?.agents ?? {}), ...Object.values(rules?.scopes ?? {})]) {
      need(Object.hasOwn(agents, agent), `providers.${name}.delegatedTokens`, `there is no agent "${agent}".`)
    }
  }
  for (const [name, { members }] of Object.entries(approvals.groups)) {
    for (const { provider } of members) {
      const path = `approvals.groups.${name}.members`
      need(Object.hasOwn(providers, provider), path, `there is no provider "${provider}".`)
    }
  }
  for (const { ask, rung, file, line } of policies.policies) {
    if (ask === null || ask === "user") continue
    const group = Object.hasOwn(approvals.groups, ask) ? approvals.groups[ask]! : null
    need(group !== null, `${file}:${line}`, `there is no group of approvers "${ask}".`)
    const isQuorum = rung !== "quorum" || group!.required > 1
    need(isQuorum, `${file}:${line}`, `a quorum is of several; approvals.groups.${ask}.required is ${group!.required}.`)
  }
  for (const policy of policies.policies) {
    const isKnown = policy.purpose === null || Object.hasOwn(purposes, policy.purpose)
    need(isKnown, `${policy.file}:${policy.line}`, `there is no purpose "${policy.purpose}".`)
  }

  function checkStandard({ defaultAuthorizationDetails: details }: Partial<Backchannel> = {}, path: string): void {
    if (details === undefined) return
    need(isOneAction(details), path, "each action is tool:…, sql:…, http:… or credential:…, of a resource.")
    const where = details.map(({ actions, locations }) => ({ type: "safeconduct_action" as const, actions, locations }))
    checkDetails(parseDetails(where, path), path, { claims, parameters: null, lookups: null })
  }

  function checkDetails(details: readonly ActionDetail[], path: string, named: Named): void {
    for (const [at, detail] of details.entries()) {
      const { actions, locations } = detail
      const delegates = actions.filter((each) => each.startsWith("delegate:"))
      // One detail names resources or agents: a name that is both would say two things.
      const [known, noun] = delegates.length > 0 ? [agents, "agent"] : [resources, "resource"]
      const isOneKind = delegates.length === 0 || delegates.length === actions.length
      need(
        isOneKind,
        `${path}.${at}.actions`,
        "delegate actions need a detail of their own, whose locations are agents.",
      )
      for (const location of locations) {
        need(Object.hasOwn(known, location), `${path}.${at}.locations`, `there is no ${noun} "${location}".`)
      }
      for (const action of delegates) {
        const purpose = action.slice("delegate:".length)
        need(Object.hasOwn(purposes, purpose), `${path}.${at}.actions`, `there is no purpose "${purpose}".`)
      }
      for (const action of actions.filter((each) => each.startsWith("credential:"))) {
        const operation = action.slice("credential:".length)
        const isOffered = locations.some((location) => {
          const part = resources[location]!
          return givesCredentials(part) && Object.hasOwn(part.operations, operation)
        })
        const where = locations.join(", ")
        need(
          isOffered,
          `${path}.${at}.actions`,
          `there is no operation "${operation}" of ${where} that has a credential.`,
        )
      }
      // Tools are described where their resource is of that kind; elsewhere their names are the agent's own.
      const parts = locations.flatMap((location) => resources[location] ?? [])
      const described = parts.filter((part) => !givesCredentials(part))
      for (const action of described.length > 0 ? actions.filter((each) => each.startsWith("tool:")) : []) {
        const tool = action.slice("tool:".length)
        const isDescribed = described.some(({ operations }) => Object.hasOwn(operations, tool))
        need(isDescribed, `${path}.${at}.actions`, `there is no tool "${tool}" of ${locations.join(", ")}.`)
      }
      const missing = missingOf(detail, named)
      need(missing === null, `${path}.${at}.${missing?.path}`, `${missing?.problem}`)
    }
  }
}

/** The version in force, null before the first; "broken" for one that does not load, which must not bar a good one. */
export function inForce(rooms: Pick<Rooms, "policy">): Version | null | "broken" {
  try {
    return rooms.policy.version()
  } catch (error) {
    if (error instanceof Refusal && error.code === "policy-broken") return "broken"
    throw error
  }
}
