import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto"
import { type Caught, openCaught } from "./caught.ts"
import { decryptPush, type Receiver } from "./decrypt.ts"
import { openPostServer, type PostServer } from "./http.ts"

/** A push message as the browser that it was for reads it. */
export type CaughtPush = {
  /** Which of the subscriptions. */
  to: string
  ttlSeconds: number
  urgency: string
  topic: string
  bytes: number
  /** Declarative Web Push. */
  web_push: number
  app_badge: string
  notification: {
    title: string
    body: string
    navigate: string
    tag: string
    silent: boolean
    data?: { receipt: string }
  }
  vapid: { aud: string; sub: string; exp: number; key: string }
}

/** A push service on this machine, with the browsers that subscribed to it. */
export type PushService = PostServer & {
  caught: Caught<CaughtPush>
  /** A new browser's subscription. */
  subscribe(): { kind: "push"; endpoint: string; p256dh: string; auth: string }
}

/** Starts one. It takes what is encrypted for a browser it knows and signed by VAPID for itself, and refuses all else. */
export async function openPushService(): Promise<PushService> {
  const { caught, add } = openCaught<CaughtPush>()
  const receivers = new Map<string, Receiver>()
  const server = await openPostServer((request, body) => {
    const receiver = receivers.get(request.url!)
    if (receiver === undefined) return { status: 404 }
    const { headers } = request
    const vapid = verifyVapid(headers.authorization ?? "", server.url)
    if (vapid === null) return { status: 403 }
    if (headers["content-encoding"] !== "aes128gcm" || body.length > 4_096) return { status: 413 }
    const text = JSON.parse(decryptPush(receiver, body)) as Pick<CaughtPush, "web_push" | "notification" | "app_badge">
    const { ttl, urgency, topic } = headers as { [name: string]: string }
    const about = { ttlSeconds: Number(ttl), urgency: urgency!, topic: topic!, bytes: body.length }
    add({ ...text, ...about, to: request.url!, vapid })
    return { status: 201 }
  })
  return Object.assign(server, {
    caught,
    subscribe() {
      const ecdh = createECDH("prime256v1")
      const publicKey = ecdh.generateKeys()
      const auth = randomBytes(16)
      const path = `/push/${randomBytes(9).toString("base64url")}`
      receivers.set(path, { privateKey: ecdh.getPrivateKey(), publicKey, auth })
      const keys = { p256dh: publicKey.toString("base64url"), auth: auth.toString("base64url") }
      return { kind: "push" as const, endpoint: `${server.url}${path}`, ...keys }
    },
  })
}

/** RFC 8292 §2, §3: the claims of the token when it is signed by its key, for this origin, for a day at the most; else null. */
function verifyVapid(header: string, origin: string): CaughtPush["vapid"] | null {
  const [, token, key] = /^vapid t=([\w.-]+), ?k=([\w-]+)$/.exec(header) ?? []
  const [head, claims, signature] = (token ?? "").split(".")
  if (key === undefined || signature === undefined) return null
  const point = Buffer.from(key, "base64url")
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((each) => each.toString("base64url"))
  const publicKey = createPublicKey({ key: { kty: "EC", crv: "P-256", x: x!, y: y! }, format: "jwk" })
  const signed = { key: publicKey, dsaEncoding: "ieee-p1363" } as const
  const isSigned = verify("sha256", Buffer.from(`${head}.${claims}`), signed, Buffer.from(signature, "base64url"))
  const said = JSON.parse(Buffer.from(claims!, "base64url").toString()) as CaughtPush["vapid"]
  const leftSeconds = said.exp - Date.now() / 1_000
  return isSigned && said.aud === origin && leftSeconds > 0 && leftSeconds <= 86_400 ? { ...said, key } : null
}
