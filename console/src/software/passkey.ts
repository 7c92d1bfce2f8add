import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"

/** What a page hands to navigator.credentials.create(), as JSON (WebAuthn Level 3 §5.1.9). */
export type CreationOptions = {
  challenge: string
  rp: { id?: string | undefined }
  pubKeyCredParams: readonly { alg: number }[]
}

/** What a page hands to navigator.credentials.get(), as JSON (§5.1.10). */
export type AssertionOptions = { challenge: string; rpId?: string | undefined }

/** What comes back from create(), as toJSON() writes it (§5.1.8). */
export type Registration = {
  id: string
  rawId: string
  type: "public-key"
  clientExtensionResults: Record<string, never>
  response: { clientDataJSON: string; attestationObject: string; transports: ("internal" | "hybrid")[] }
}

/** What comes back from get(). */
export type Assertion = {
  id: string
  rawId: string
  type: "public-key"
  clientExtensionResults: Record<string, never>
  response: { clientDataJSON: string; authenticatorData: string; signature: string; userHandle?: string }
}

/** Everything that an attacker, another site or a broken device would do otherwise than is right. */
export type Wrong = {
  type?: string
  challenge?: string
  origin?: string
  crossOrigin?: boolean
  topOrigin?: string
  tokenBinding?: unknown
  rpId?: string
  isUserPresent?: boolean
  isUserVerified?: boolean
  counter?: number
  /** Bits of the flags (§6.1), in place of those that are right. */
  flags?: number
  /** Bytes after the authenticator data. */
  trailing?: Buffer
  /** Changes what is signed over, after it was made and before it is signed. */
  authenticatorData?: (bytes: Buffer) => Buffer
  /** Changes the signature. */
  signature?: (bytes: Buffer) => Buffer
}

/** Which of the three kinds of key, and what kind of authenticator it rests in. */
export type Kind = {
  algorithm?: "ES256" | "Ed25519" | "RS256"
  /** A passkey that is copied to other devices: its flags say so, and it counts nothing. */
  isSynced?: boolean
}

/** A passkey of somebody's, in software: for tests, examples and development, to play a person without a device. It asks nobody. */
export interface SoftwarePasskey {
  readonly id: string
  /** COSE_Key. */
  readonly publicKey: Buffer
  readonly privateKey: KeyObject
  /** Answers a page of that origin that makes a passkey. */
  create(options: CreationOptions, origin: string, wrong?: Wrong): Registration
  /** Answers one that asks for a signature. */
  get(options: AssertionOptions, origin: string, wrong?: Wrong): Assertion
}

const ALGORITHMS = { ES256: -7, Ed25519: -8, RS256: -257 } as const
const [PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED] = [0x01, 0x04, 0x08, 0x10, 0x40] as const

/** Makes one. */
export function softwarePasskey({ algorithm = "ES256", isSynced = true }: Kind = {}): SoftwarePasskey {
  const { privateKey, publicKey } = keyPair(algorithm)
  const credentialId = randomBytes(32)
  const cose = coseKey(algorithm, publicKey)
  let counter = 0

  const flagsOf = ({ isUserPresent = true, isUserVerified = true, flags }: Wrong, more: number) =>
    flags ??
    (isUserPresent ? PRESENT : 0) | (isUserVerified ? VERIFIED : 0) | (isSynced ? ELIGIBLE | BACKED_UP : 0) | more
  const headOf = (rpId: string, wrong: Wrong, more: number): Buffer => {
    const count = Buffer.alloc(4)
    count.writeUInt32BE(wrong.counter ?? (isSynced ? 0 : ++counter))
    return Buffer.concat([sha256(Buffer.from(wrong.rpId ?? rpId)), Buffer.of(flagsOf(wrong, more)), count])
  }
  return {
    id: base64url(credentialId),
    publicKey: cose,
    privateKey,
    create(options, origin, wrong = {}) {
      const { alg } = options.pubKeyCredParams.find((each) => each.alg === ALGORITHMS[algorithm]) ?? {}
      if (alg === undefined) throw new Error(`the page does not take ${algorithm}`)
      const length = Buffer.alloc(2)
      length.writeUInt16BE(credentialId.length)
      const attested = Buffer.concat([Buffer.alloc(16), length, credentialId, cose])
      const rpId = options.rp.id ?? new URL(origin).hostname
      const authenticatorData = finished([headOf(rpId, wrong, ATTESTED), attested], wrong)
      const object = cbor(
        new Map<string, Encodable>([
          ["fmt", "none"],
          ["attStmt", new Map()],
          ["authData", authenticatorData],
        ]),
      )
      return {
        ...answerOf(credentialId),
        response: {
          clientDataJSON: base64url(clientData("webauthn.create", options.challenge, origin, wrong)),
          attestationObject: base64url(object),
          transports: ["internal", "hybrid"],
        },
      }
    },
    get(options, origin, wrong = {}) {
      const rpId = options.rpId ?? new URL(origin).hostname
      const authenticatorData = finished([headOf(rpId, wrong, 0)], wrong)
      const client = clientData("webauthn.get", options.challenge, origin, wrong)
      const message = Buffer.concat([authenticatorData, sha256(client)])
      const signature = sign(algorithm === "Ed25519" ? null : "sha256", message, privateKey)
      return {
        ...answerOf(credentialId),
        response: {
          clientDataJSON: base64url(client),
          authenticatorData: base64url(authenticatorData),
          signature: base64url(wrong.signature?.(signature) ?? signature),
        },
      }
    },
  }
}

function finished(parts: Buffer[], { trailing = Buffer.alloc(0), authenticatorData }: Wrong): Buffer {
  const whole = Buffer.concat([...parts, trailing])
  return authenticatorData?.(whole) ?? whole
}

function answerOf(credentialId: Buffer) {
  const id = base64url(credentialId)
  return { id, rawId: id, type: "public-key", clientExtensionResults: {} } as const
}

/** §5.8.1.1: the order of its members is fixed. */
function clientData(type: string, challenge: string, origin: string, wrong: Wrong): Buffer {
  const { topOrigin, tokenBinding } = wrong
  return Buffer.from(
    JSON.stringify({
      type: wrong.type ?? type,
      challenge: wrong.challenge ?? challenge,
      origin: wrong.origin ?? origin,
      crossOrigin: wrong.crossOrigin ?? false,
      ...(topOrigin === undefined ? {} : { topOrigin }),
      ...(tokenBinding === undefined ? {} : { tokenBinding }),
    }),
  )
}

function keyPair(algorithm: keyof typeof ALGORITHMS): { privateKey: KeyObject; publicKey: KeyObject } {
  if (algorithm === "ES256") return generateKeyPairSync("ec", { namedCurve: "P-256" })
  if (algorithm === "RS256") return generateKeyPairSync("rsa", { modulusLength: 2_048 })
  return generateKeyPairSync("ed25519")
}

/** RFC 9053 §7 and RFC 8230 §4, members in the order of CTAP 2.1 §8. */
function coseKey(algorithm: keyof typeof ALGORITHMS, key: KeyObject): Buffer {
  const jwk = key.export({ format: "jwk" }) as { [name: string]: string }
  const bytes = (name: string) => Buffer.from(jwk[name] ?? "", "base64url")
  const alg = ALGORITHMS[algorithm]
  const members: Record<keyof typeof ALGORITHMS, readonly (readonly [number, Encodable])[]> = {
    ES256: [
      [1, 2],
      [3, alg],
      [-1, 1],
      [-2, bytes("x")],
      [-3, bytes("y")],
    ],
    Ed25519: [
      [1, 1],
      [3, alg],
      [-1, 6],
      [-2, bytes("x")],
    ],
    RS256: [
      [1, 3],
      [3, alg],
      [-1, bytes("n")],
      [-2, bytes("e")],
    ],
  }
  return cbor(new Map(members[algorithm]))
}

/** What authenticators write: RFC 8949, as far as it goes here. */
export type Encodable = number | string | Buffer | Map<number | string, Encodable>

/** Its bytes; members of a map in the order in which they are there. */
export function cbor(value: Encodable): Buffer {
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === "string") return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value])
  const members = [...value].flatMap(([name, item]) => [cbor(name), cbor(item)])
  return Buffer.concat([head(5, value.size), ...members])
}

function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.of((major << 5) | value)
  if (value < 256) return Buffer.of((major << 5) | 24, value)
  return Buffer.of((major << 5) | 25, value >> 8, value & 255)
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest()
}

function base64url(bytes: Buffer): string {
  return bytes.toString("base64url")
}
