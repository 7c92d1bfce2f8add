import { type Caught, openCaught } from "./caught.ts"
import { openPostServer, type PostServer } from "./http.ts"

/** A text message. */
export type CaughtText = { to: string; from: string; body: string }

/** An SMS gateway on this machine that speaks as Twilio documents its Messages resource. */
export type SmsGateway = PostServer & { caught: Caught<CaughtText>; accountSid: string; token: string }

/** Starts one, for one account. */
export async function openSmsGateway(): Promise<SmsGateway> {
  const { caught, add } = openCaught<CaughtText>()
  const [accountSid, token] = ["AC0123456789abcdef0123456789abcdef", "the-token-of-the-account"]
  const basic = `Basic ${Buffer.from(`${accountSid}:${token}`).toString("base64")}`
  const server = await openPostServer(({ headers, url, method }, bytes) => {
    if (headers.authorization !== basic) return { status: 401, body: '{"code":20003}' }
    if (method !== "POST" || url !== `/2010-04-01/Accounts/${accountSid}/Messages.json`) return { status: 404 }
    const form = new URLSearchParams(bytes.toString())
    const [to, from, body] = ["To", "From", "Body"].map((name) => form.get(name))
    if (!to || !from || !body || body.length > 1_600) return { status: 400, body: '{"code":21602}' }
    add({ to, from, body })
    return {
      status: 201,
      body: JSON.stringify({ sid: `SM${String(caught.all.length).padStart(32, "0")}`, status: "queued" }),
    }
  })
  return Object.assign(server, { caught, accountSid, token })
}
