import { generateKeyPairSync, X509Certificate } from "node:crypto"
import { request } from "node:https"
import type { Identity } from "@safeconduct/sdk"
import { issue } from "../sdk/src/testing/certificates.ts"
import type { Outcome } from "./world.ts"

/** What somebody presents in a TLS handshake, PEM. */
export type Shown = { key: string; cert: string }

/**
 * The victim's certificate with a key that is not the victim's. OpenSSL refuses the pair when it can see that they do not
 * belong together, and looks at the public half that an EC key may carry (RFC 5915 §3): so the thief's private number
 * travels with the victim's public point. The handshake then sends the certificate, and signs with the wrong key.
 */
export function stolen({ svid }: Identity): Shown {
  const point = new X509Certificate(svid).publicKey.export({ format: "jwk" })
  const { d } = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" })
  const bytes = (text: string | undefined) => Buffer.from(text!, "base64url")
  const body = Buffer.concat([
    Buffer.from("0201010420", "hex"),
    bytes(d),
    Buffer.from("a00a06082a8648ce3d030107a14403420004", "hex"),
    bytes(point.x),
    bytes(point.y),
  ])
  const der = Buffer.concat([Buffer.from([0x30, body.length]), body])
  return { key: pem("EC PRIVATE KEY", der), cert: svid }
}

/** A certificate that says the victim's name and is right in every way, under an authority of the thief's own. */
export function forged({ spiffeId, trustDomain }: Identity): Shown {
  const root = issue({ name: "root", uris: [`spiffe://${trustDomain}`], ca: true })
  const leaf = issue({ name: "agent", uris: [spiffeId], issuer: root })
  return { key: leaf.keyPem, cert: leaf.pem + root.pem }
}

/** One request with what is shown, or with no certificate at all. */
export function knock(
  origin: string,
  ca: string,
  call: { method: string; path: string },
  shown?: Shown,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { ...call, ...shown, ca, checkServerIdentity: () => undefined, agent: false as const }
    const sent = request(new URL(call.path, origin), options, async (response) => {
      const parts: Buffer[] = []
      for await (const part of response) parts.push(part as Buffer)
      const text = Buffer.concat(parts).toString()
      if ((response.statusCode ?? 0) < 300) return resolve({ kind: "allowed", text })
      const { code, detail } = JSON.parse(text) as { code: string; detail: string }
      resolve({ kind: "refused", code, text: detail })
    })
    // The server ends the handshake, and says so with an alert: nothing was read of the request.
    sent.on("error", (error) => resolve({ kind: "failed", sqlState: null, text: error.message }))
    sent.end()
  })
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`
}
