import type { Audit } from "#audit"
import { type Clock, type Database, type Epoch, isId, type Keyring, type Log, refuseSkewed } from "#kernel"
import { assertionUsed, readApplicationAssertion } from "./application-assertion.ts"
import { readAssertion, useAssertion } from "./assertion.ts"
import { readRequestObject } from "./backchannel/request-object.ts"
import { signApproval } from "./backchannel/tokens.ts"
import { openBrowsers } from "./consent/browsers/open.ts"
import { openConsents } from "./consent/open.ts"
import { createDatabaseClock } from "./database-clock.ts"
import { openDelegations } from "./delegations/delegations.ts"
import type { Sessions } from "./door.ts"
import { openProofs } from "./dpop.ts"
import { openPart, parsePart } from "./in-force/parts.ts"
import { inspect } from "./introspection.ts"
import { end, open, renew } from "./lifecycle.ts"
import { openLogins } from "./logins/logins.ts"
import { forgetSpendings } from "./mandates/store.ts"
import { openUsage } from "./mandates/usage.ts"
import { metadata } from "./metadata.ts"
import { openNonces } from "./nonces.ts"
import { openOperatorSignIns } from "./operator-sign-ins/open.ts"
import { openProviders } from "./providers/index.ts"
import { isBeneath, isOf, openStandings, unknown } from "./standings.ts"
import { readStatement } from "./statement.ts"
import { find, findDue, forgetAssertions, list, openOf } from "./store.ts"
import { clientCredentials, withToken } from "./token-endpoint.ts"
import { openTokenKeys } from "./token-keys.ts"
import { openTokens } from "./tokens.ts"
import { treeOf } from "./tree/store.ts"
import { noteUse } from "./use.ts"
import { usingUp } from "./used-once.ts"
import { rememberingUser } from "./users/known.ts"
import { findUser } from "./users/store.ts"

/** What the room stands on. */
export type SessionsParts = {
  database: Database
  audit: Audit
  epoch: Epoch
  keyring: Keyring
  /** Public URL of the web listener. */
  issuer: string
  /** Public URL of the agents listener; the issuer's own until told. */
  mtlsUrl?: string
  clock: Clock
  log: Log
}

/** How often assertions that have expired are forgotten, and token keys of no more use retired. */
const HOUSEKEEPING_MS = 60_000

/** Opens the room: makes the first token key when there is none, loads the purposes, and follows the epoch. */
export async function openSessions(parts: SessionsParts): Promise<Sessions> {
  const { database, audit, epoch, issuer, clock } = parts
  const databaseClock = createDatabaseClock(clock)
  const keys = await openTokenKeys({ ...parts, databaseClock })
  const signing = { keys, issuer }
  const tokens = openTokens({ ...signing, databaseClock })
  const inForce = await openPart(parts)
  const providers = openProviders({ ...parts, clock: databaseClock, part: inForce.providers, signing: keys.signing })
  const standings = await openStandings({ ...signing, database, databaseClock })
  const logins = openLogins(parts)
  const delegations = openDelegations({ database, standings, purpose: inForce.purpose })
  const use = noteUse({ database, clock })
  const nonces = openNonces({ clock })
  const proofs = openProofs({ issuer, nonces, clock: databaseClock })
  const client = { issuer, clock: databaseClock, application: inForce.application }
  const consents = openConsents(parts)
  const browsers = openBrowsers(parts)
  const operatorSignIns = openOperatorSignIns({ database, logins })
  let running: Promise<void> | undefined
  const keepHouse = () => {
    const rooms = [
      consents.keepHouse(),
      logins.keepHouse(),
      browsers.keepHouse(),
      delegations.forget(),
      operatorSignIns.keepHouse(),
    ]
    const old = [forgetAssertions(database), forgetSpendings(database), ...rooms]
    running = Promise.all([...old, keys.upkeep()]).then(
      () => undefined,
      (error: unknown) => parts.log.warn("what has expired is not cleared away; trying again", { error }),
    )
  }
  // At once too: servers that are replaced often would never come to it.
  keepHouse()
  const housekeeping = setInterval(keepHouse, HOUSEKEEPING_MS).unref()

  epoch.onKeysChange(keys.reload)
  epoch.onChange(async () => {
    await Promise.all([inForce.reload(), standings.forgetEnded()])
    tokens.flush()
  })

  return {
    consents,
    operatorSignIns,
    browsers,
    issuer,
    parse: parsePart,
    replace: inForce.replace,
    purpose: inForce.purpose,
    application: inForce.application,
    applications: inForce.applications,
    providers,
    logins,
    rememberUser: rememberingUser,
    findUser: (by) => findUser(database, by),
    open: (opening) => open({ ...signing, purpose: inForce.purpose }, opening),
    delegations,
    usage: openUsage(database),
    renew: (session, caller, activeAtMs = null) =>
      renew(session.id, caller, () => Math.min(use.unusedSeconds(session.id), use.secondsSince(activeAtMs))),
    end,
    withToken: (change, caller) => withToken({ ...signing, tokens }, change, caller),
    standing: standings.standing,
    look: standings.look,
    endHere: standings.endHere,
    touch: use.touch,
    async find(id, caller) {
      const found = isId("session", id) ? await find(database, id) : null
      if (found === null || (caller.kind === "agent" && !isOf(found.session, caller))) throw unknown()
      return found.session
    },
    async tree(id, caller) {
      const found = isId("session", id) ? await find(database, id) : null
      if (found === null) throw unknown()
      const { session } = found
      if (caller.kind !== "agent") return await treeOf(database, session.chain[0]?.session ?? session.id)
      if (!isOf(session, caller) && !isBeneath(session, caller)) throw unknown()
      return await treeOf(database, session.id)
    },
    list(caller, { agent = null, state = null, user = null, limit = 100 } = {}) {
      if (caller.kind !== "agent") return list(database, { id: null, agent, instance: null, state, user, limit })
      const { name, instance, onlySession: id = null } = caller
      return list(database, { id, agent: name, instance, state, limit })
    },
    ofUser: (user, { agent = null, state = null, limit = 100 } = {}) =>
      list(database, { id: null, agent, instance: null, state, user, limit }),
    openOf: (of, tx = database) => openOf(tx, of),
    async due(limit = 100) {
      await use.flush()
      const { due, nextInMs } = await findDue(database, limit)
      return {
        due: due.map(({ session, isExpired }) => ({ session, reason: isExpired ? "expired" : "lapsed" })),
        nextInMs,
      }
    },
    verifyToken: tokens.verify,
    async verifyProof(shown, token) {
      const proof = proofs.read(shown)
      const claims = await tokens.verify(token, { jkt: proof.jkt })
      proofs.requireToken(proof, token)
      // Last: whoever has no token of ours takes no room in what is remembered.
      nonces.use(proof)
      return { claims, key: proof }
    },
    readAssertion: (shown, form) => readAssertion({ issuer, clock: databaseClock }, form, proofs.read(shown)),
    async useAssertion(assertion) {
      nonces.use(assertion.proof)
      await useAssertion(database, assertion)
    },
    readStatement: (text, about) => readStatement(client, text, about),
    async authenticateApplication(form) {
      const { application, jti, expiresAtMs } = readApplicationAssertion(client, form)
      const use = { kind: "client-assertion", maker: application.name, jti, expiresAtMs } as const
      await database.transaction(usingUp(use, assertionUsed).work!)
      return application
    },
    tokenClaims: tokens.inspect,
    inspectToken: (token) => inspect({ tokens, standings }, token),
    hasExpired: tokens.hasExpired,
    readRequestObject: (text, signer) => readRequestObject({ issuer, clock: databaseClock }, text, signer),
    signApproval: (approved, holder) => signApproval({ ...signing, databaseClock }, approved, holder),
    dpopNonce: nonces.current,
    async clientCredentials(form, caller) {
      refuseSkewed(epoch)
      return await clientCredentials({ audit, standings, tokens }, form, caller)
    },
    jwks: keys.jwks,
    metadata: () => metadata(issuer, parts.mtlsUrl ?? issuer),
    rotateKey: keys.rotate,
    retireKeys: keys.upkeep,
    async [Symbol.asyncDispose]() {
      clearInterval(housekeeping)
      await running
      // What is lost without the database is when a session was last used: it may lapse a little early.
      await use.flush({ isLast: true }).catch((error: unknown) => parts.log.warn("last uses are not noted", { error }))
    },
  }
}
