import { createPrivateKey, type KeyObject } from "node:crypto"
import { readFile } from "node:fs/promises"
import { resolve } from "node:path"
import { SafeconductError } from "./errors.ts"
import { inFolder, makePrivateFolder, writeAtomically } from "./files.ts"
import type { Peer } from "./pool.ts"
import { readCertificates, spiffeIdOf } from "./spiffe.ts"

/** Who this process is, and by which server. The key is made here and never leaves its folder. */
export type Identity = {
  folder: string
  /** Origin of the server's agents listener. */
  url: string
  trustDomain: string
  spiffeId: string
  instance: string
  privateKey: KeyObject
  /** X.509-SVID with what stands between it and the root, PEM, leaf first. */
  svid: string
  /** Roots of the trust domain, PEM. */
  bundle: string
  notBeforeMs: number
  notAfterMs: number
}

/** What the server answers to an enrolment or a renewal. */
export type Issued = { spiffeId: string; instance: string; svid: string; bundle: string; trustDomain: string }

const FILES = { key: "key.pem", svid: "svid.pem", bundle: "bundle.pem", rest: "identity.json" } as const

/** The identity in a folder, or null when there is none. Throws `identity-broken` when its parts do not belong together. */
export async function loadIdentity(folder: string): Promise<Identity | null> {
  const path = resolve(folder)
  const read = (name: string) => readFile(inFolder(path, name), "utf8")
  try {
    // identity.json is written last: without it, an enrolment did not finish.
    const { url, trustDomain, spiffeId, instance } = JSON.parse(await read(FILES.rest)) as Issued & { url: string }
    const [key, svid, bundle] = await Promise.all([read(FILES.key), read(FILES.svid), read(FILES.bundle)])
    return assemble(path, url, createPrivateKey(key), { spiffeId, instance, svid, bundle, trustDomain })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null
    if (cause instanceof SafeconductError) throw cause
    throw new SafeconductError("identity-broken", `The identity in ${path} cannot be read. Enrol again.`, { cause })
  }
}

/**
 * Puts the server's answer and our key together. Throws `identity-broken` when the SVID is for another key, another
 * trust domain, or not what the answer says it is.
 */
export function assemble(folder: string, url: string, privateKey: KeyObject, issued: Issued): Identity {
  const [leaf] = readCertificates(issued.svid)
  const { id, trustDomain } = spiffeIdOf(leaf!)
  readCertificates(issued.bundle)
  if (!leaf!.checkPrivateKey(privateKey)) throw broken("The SVID is not for our key.")
  if (id !== issued.spiffeId || trustDomain !== issued.trustDomain) {
    throw broken("The SVID does not carry the SPIFFE ID that the server named.")
  }
  return {
    folder: resolve(folder),
    url: new URL(url).origin,
    privateKey,
    ...issued,
    notBeforeMs: Date.parse(leaf!.validFrom),
    notAfterMs: Date.parse(leaf!.validTo),
  }
}

/** Writes the identity into its folder: first the key (mode 0600), last what makes it one. */
export async function saveIdentity(identity: Identity): Promise<void> {
  const { folder, url, trustDomain, spiffeId, instance, svid, bundle } = identity
  await makePrivateFolder(folder)
  await writeAtomically(inFolder(folder, FILES.key), keyPem(identity), 0o600)
  await saveIssued(folder, svid, bundle)
  const rest = { url, trustDomain, spiffeId, instance }
  await writeAtomically(inFolder(folder, FILES.rest), `${JSON.stringify(rest, null, 2)}\n`)
}

/** Writes a renewed SVID and bundle; key and names stay. A crash between the two leaves the older bundle, which still works. */
export async function saveIssued(folder: string, svid: string, bundle: string): Promise<void> {
  await writeAtomically(inFolder(folder, FILES.svid), svid)
  await writeAtomically(inFolder(folder, FILES.bundle), bundle)
}

/** The identity as a transport uses it. */
export function peerOf(identity: Identity): Peer {
  const { url, trustDomain, bundle, svid } = identity
  return { url, trustDomain, bundle, credentials: { key: keyPem(identity), svid } }
}

function keyPem({ privateKey }: Identity): string {
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString()
}

function broken(message: string): SafeconductError {
  return new SafeconductError("identity-broken", message)
}
