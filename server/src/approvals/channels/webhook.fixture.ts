import { randomBytes } from "node:crypto"
import { Webhook } from "standardwebhooks"
import { type Caught, openCaught, openPostServer, type PostServer } from "#testing"

/** A call of the webhook. */
export type CaughtCall = {
  id: string
  type: string
  data: { user: string; sentence: string; url: string; count: number; expiresAt: string }
}

/** A program that takes the deployment's webhook on this machine. */
export type WebhookReceiver = PostServer & { caught: Caught<CaughtCall>; secret: string }

/** Starts one; it takes what is signed with its secret, now. */
export async function openWebhookReceiver(): Promise<WebhookReceiver> {
  const { caught, add } = openCaught<CaughtCall>()
  const secret = `whsec_${randomBytes(32).toString("base64")}`
  const server = await openPostServer(({ headers }, body) => {
    try {
      const said = new Webhook(secret).verify(body.toString(), headers as { [name: string]: string })
      add({ ...(said as Omit<CaughtCall, "id">), id: String(headers["webhook-id"]) })
      return { status: 204 }
    } catch {
      return { status: 401 }
    }
  })
  return Object.assign(server, { caught, secret })
}
