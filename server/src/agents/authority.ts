import { createHash, type KeyObject } from "node:crypto"
import type { Audit, Change, Draft } from "#audit"
import {
  base64url,
  bumpKeys,
  type Clock,
  type Database,
  destroyRetiredKeys,
  generateKey,
  type Json,
  type Keyring,
  listKeys,
  type Queryable,
  Refusal,
  readKeys,
  retireOlderKeys,
  storeKey,
  type Transaction,
} from "#kernel"
import { type Certificate, keyThumbprint, readCertificate } from "./certificate.ts"
import { pem } from "./der-write.ts"
import { type Signer, selfSign, signWith } from "./issue.ts"
import { lock } from "./store.ts"
import type { BundleMap } from "./validate.ts"

const DAY_MS = 86_400_000
const ROOT_DAYS = 3_652
const INTERMEDIATE_DAYS = 365
/** Before now, so that a clock a little behind ours accepts what we just issued. */
const BACKDATE_MS = 10_000
/** How soon clients look for a changed bundle, seconds (SPIFFE-Trust-Domain-and-Bundle §4.1.2). */
const REFRESH_HINT_SECONDS = 300

/** What a leaf is issued for. The key is all that comes from outside. */
export type LeafRequest = {
  spki: Uint8Array
  spiffeId: string
  dnsNames?: readonly string[]
  ips?: readonly string[]
  /** Where it must end earlier than leaves do. */
  untilMs?: number | undefined
}

/** An issued leaf; `pem` is the leaf and its intermediate. Nobody may have it before its entry is durable. */
export type IssuedLeaf = { certificate: Certificate; keyThumbprint: string; pem: string }

/**
 * The built-in certificate authority: a root (10 years) that signs an intermediate (1 year) that signs leaves. Keys are
 * sealed in the database and shared by all servers.
 */
export interface Authority {
  /** Our own trust domain and its roots, retired ones not among them. */
  readonly bundles: BundleMap
  /** The roots, one PEM each; the one that signs first. */
  roots(): string[]
  /** SHA-256 of each root's DER, base64url; the one that signs first. Part of every join token. */
  readonly rootDigests: readonly string[]
  /** The SPIFFE bundle: a JWK set (RFC 7517) with `spiffe_sequence`. */
  bundle(): Json
  issue(request: LeafRequest): IssuedLeaf
  /** Takes in what other servers made, and makes a new intermediate when ours is past half its life. */
  refresh(): Promise<void>
  /** Makes a new intermediate, and destroys the key of the old one. Leaves that it signed are good until they expire. */
  rotate(by: string): Change<{ kid: string }>
}

/** What the authority stands on; `svidSeconds` is how long a leaf lives. */
export type AuthorityParts = {
  database: Database
  audit: Audit
  keyring: Keyring
  trustDomain: string
  clock: Clock
  svidSeconds: number
}

/** Opens the authority, and makes it when there is none yet; two servers that do so at once end up with the same. */
export async function openAuthority(parts: AuthorityParts): Promise<Authority> {
  let held = await provide(parts)
  return {
    get bundles() {
      return new Map([[parts.trustDomain, held.roots.map(({ certificate }) => certificate)]])
    },
    roots: () => held.roots.map(({ certificate }) => pem("CERTIFICATE", certificate.node.raw)),
    get rootDigests() {
      return held.roots.map(({ certificate }) => keyThumbprint(certificate.node.raw))
    },
    bundle: () => bundleOf(held),
    issue: (request) => issue(parts, held.intermediate, request),
    async refresh() {
      held = await provide(parts)
    },
    rotate(by) {
      const made = makeIntermediate(parts, held.roots[0])
      return {
        async work(tx) {
          await lock(tx, "authority")
          await succeed(parts, tx, made)
          return { kid: keyThumbprint(made.certificate.spki) }
        },
        entries: () => [createdDraft(made, "intermediate", by)],
      }
    },
  }
}

type Held = { roots: [Signer, ...Signer[]]; intermediate: Signer; sequence: number }

function issue({ clock, svidSeconds }: AuthorityParts, signer: Signer, request: LeafRequest): IssuedLeaf {
  const certificate = signWith(signer, {
    role: "leaf",
    commonName: null,
    uri: request.spiffeId,
    spki: request.spki,
    dnsNames: request.dnsNames ?? [],
    ips: request.ips ?? [],
    notBeforeMs: clock.nowMs() - BACKDATE_MS,
    notAfterMs: Math.min(clock.nowMs() + svidSeconds * 1_000, request.untilMs ?? Number.POSITIVE_INFINITY),
  })
  const chain = [certificate, signer.certificate].map(({ node }) => pem("CERTIFICATE", node.raw))
  return { certificate, keyThumbprint: keyThumbprint(certificate.spki), pem: chain.join("") }
}

/** SPIFFE-Trust-Domain-and-Bundle §4.2: one certificate per key, no `kid`; the sequence rises with every change. */
function bundleOf({ roots, sequence }: Held): Json {
  const keys = roots.map(({ certificate: { node } }) => {
    const { kty, crv, x, y } = node.publicKey.export({ format: "jwk" })
    return { kty: kty!, use: "x509-svid", crv: crv!, x: x!, y: y!, x5c: [node.raw.toString("base64")] }
  })
  return { keys, spiffe_sequence: sequence, spiffe_refresh_hint: REFRESH_HINT_SECONDS }
}

async function provide(parts: AuthorityParts): Promise<Held> {
  const there = await read(parts, parts.database)
  if (there !== null && !isAging(parts, there.intermediate)) return there
  await parts.audit.commit(creation(parts, there?.roots[0] ?? null))
  // A crash here leaves an authority that the next start reads.
  const made = await read(parts, parts.database)
  if (made === null) throw new Refusal("key-unusable", "The certificate authority was made and cannot be read.")
  return made
}

/** What another server stored while we waited for the lock is left as it is. */
function creation(parts: AuthorityParts, root: Signer | null): Change<Signer[]> {
  const newRoot = root ?? makeRoot(parts)
  const intermediate = makeIntermediate(parts, newRoot)
  return {
    async work(tx) {
      await lock(tx, "authority")
      const there = await read(parts, tx)
      if (there !== null && !isAging(parts, there.intermediate)) return []
      if (root === null) await store(tx, parts.keyring, "ca-root", newRoot)
      await succeed(parts, tx, intermediate)
      return root === null ? [newRoot, intermediate] : [intermediate]
    },
    entries: (made) => made.map((each) => createdDraft(each, each === newRoot ? "root" : "intermediate", "server")),
  }
}

/** An intermediate signs from now on, and no older one ever again: every server takes it in before it signs another leaf. */
async function succeed({ keyring }: AuthorityParts, tx: Transaction, intermediate: Signer): Promise<void> {
  await store(tx, keyring, "ca-intermediate", intermediate)
  await retireOlderKeys(tx, "ca-intermediate", 0)
  await destroyRetiredKeys(tx, "ca-intermediate")
  await bumpKeys(tx)
}

function createdDraft({ certificate }: Signer, use: "root" | "intermediate", by: string): Draft {
  return {
    event: "agents.authority-created",
    by,
    data: {
      use,
      serial: certificate.serial,
      certificate: base64url(createHash("sha256").update(certificate.node.raw).digest()),
      notAfter: new Date(certificate.notAfterMs).toISOString(),
    },
  }
}

function makeRoot({ clock, trustDomain }: AuthorityParts): Signer {
  const { kid, spki, privateKey } = generateKey()
  const certificate = selfSign(
    {
      role: "authority",
      pathLength: 1,
      commonName: `Safeconduct root ${kid.slice(0, 8)}`,
      uri: `spiffe://${trustDomain}`,
      spki,
      notBeforeMs: clock.nowMs() - BACKDATE_MS,
      notAfterMs: clock.nowMs() + ROOT_DAYS * DAY_MS,
    },
    privateKey,
  )
  return { certificate, privateKey }
}

function makeIntermediate({ clock, trustDomain }: AuthorityParts, root: Signer): Signer {
  const { kid, spki, privateKey } = generateKey()
  const certificate = signWith(root, {
    role: "authority",
    pathLength: 0,
    commonName: `Safeconduct intermediate ${kid.slice(0, 8)}`,
    uri: `spiffe://${trustDomain}`,
    spki,
    notBeforeMs: clock.nowMs() - BACKDATE_MS,
    notAfterMs: clock.nowMs() + INTERMEDIATE_DAYS * DAY_MS,
  })
  return { certificate, privateKey }
}

function isAging({ clock }: AuthorityParts, { certificate }: Signer): boolean {
  return clock.nowMs() > (certificate.notBeforeMs + certificate.notAfterMs) / 2
}

async function store(
  tx: Queryable,
  keyring: Keyring,
  use: "ca-root" | "ca-intermediate",
  { certificate, privateKey }: { certificate: Certificate; privateKey: KeyObject },
): Promise<void> {
  const kid = keyThumbprint(certificate.spki)
  await storeKey(tx, keyring, { kid, use, public: certificate.node.raw, privateKey })
}

/** Null while there is no authority. Throws `key-unusable` when it is another trust domain's or does not open. */
async function read({ keyring, trustDomain }: AuthorityParts, database: Queryable): Promise<Held | null> {
  const [root, ...older] = (await readKeys(database, keyring, "ca-root")).map(signerOf)
  const [intermediate] = (await readKeys(database, keyring, "ca-intermediate")).map(signerOf)
  if (root === undefined || intermediate === undefined) return null
  if (root.certificate.uris[0] !== `spiffe://${trustDomain}`) {
    throw new Refusal("key-unusable", `The certificate authority in this database is not one of ${trustDomain}.`)
  }
  const roots = (await listKeys(database)).filter(({ use }) => use === "ca-root")
  const sequence = roots.length + roots.filter(({ retiredAt }) => retiredAt !== null).length
  return { roots: [root, ...older], intermediate, sequence }
}

/** The certificate rests in clear: only the sealed key, which must be its own, says that it is still ours. */
function signerOf(key: { public: Buffer; privateKey: KeyObject }): Signer {
  const certificate = readCertificate(key.public)
  if (!certificate.node.checkPrivateKey(key.privateKey)) {
    throw new Refusal("key-unusable", "A certificate of the authority in this database is not its sealed key's.")
  }
  return { certificate, privateKey: key.privateKey }
}
