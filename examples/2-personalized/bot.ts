/**
 * The shop's support bot. It holds no key to the shop's database and no token of any customer: the web site hands it a
 * question, a statement of what the customer asked for, and proof that the customer is there; Safeconduct makes a session of
 * that, for this customer, this purpose and this agent. No language model, so that the example needs none: where a model
 * would choose what to do, this looks for words.
 */
import { type Authorization, DeniedError, type Safeconduct, SafeconductError, type Session } from "@safeconduct/sdk"
import pg from "pg"

/** What the web site hands over: the question, the order that it is about, and its signature under both. */
export type Request = { question: string; order: string; statement: string }

/** The bot, as the web site calls it. */
export type SupportBot = {
  /** Answers; null when the customer has to agree first. `subjectToken` is the customer's ID token. */
  answer(request: Request, subjectToken: string): Promise<string | null>
  /** Prepares the question to the customer, who is then to be sent to its `url`. */
  askConsent(request: Request): Promise<Authorization>
  /** Answers with what the customer granted; `callback` is the URL that they came back to. */
  resume(request: Request, consent: Authorization, callback: string): Promise<string>
}

/** Who knows where parcels are. It gets an offer of a smaller session, and nothing else. */
export type Tracker = (delegation: string) => Promise<string>

const PURPOSE = "order-help"

/** The bot with an identity of its own. */
export function openSupportBot(safeconduct: Safeconduct, redirectUri: string, track: Tracker): SupportBot {
  return {
    async answer(request, subjectToken) {
      try {
        const { statement } = request
        await using session = await safeconduct.exchange({ purpose: PURPOSE, subjectToken, statement })
        return await answerIn(session, request, track)
      } catch (error) {
        if (error instanceof SafeconductError && error.code === "consent-required") return null
        throw error
      }
    },
    askConsent: ({ statement }) => safeconduct.ask({ purpose: PURPOSE, redirectUri, statement }),
    async resume(request, consent, callback) {
      await using session = await consent.redeem(callback)
      return await answerIn(session, request, track)
    },
  }
}

/** The answer; what the customer did not allow, the bot says. */
async function answerIn(session: Session, request: Request, track: Tracker): Promise<string> {
  try {
    return await work(session, request, track)
  } catch (error) {
    if (error instanceof DeniedError) return `I may not do that for you. ${error.message}`
    throw error
  }
}

/** Does what the question is about. Each branch asks for a key that is good for that and nothing else. */
export async function work(session: Session, { question, order }: Request, track: Tracker): Promise<string> {
  const wish = /leave it (.+)/i.exec(question)?.[1]
  if (wish !== undefined) return await changeNote(session, order, wish)
  if (/where|parcel|arrive/i.test(question)) {
    // The other agent gets a session of its own, beneath this one, that can read one parcel.
    const { delegation } = await session.delegate({
      agent: "shipping-bot",
      purpose: "track-parcel",
      authorizationDetails: [{ type: "safeconduct_action", actions: ["credential:track"], locations: ["shop"] }],
    })
    return await track(delegation)
  }
  return await listOrders(session)
}

/** Reads every order of the shop, as careless code does: the database gives those of the customer. */
export async function listOrders(session: Session): Promise<string> {
  const lines = await withKey(session, { operation: "read" }, (shop) =>
    shop.query<{ line: string }>("select id || ' ' || item as line from orders order by id"),
  )
  return lines.map(({ line }) => line).join(", ")
}

async function changeNote(session: Session, order: string, note: string): Promise<string> {
  const changed = await withKey(session, { operation: "write", arguments: { order } }, (shop) =>
    shop.query("update orders set delivery_note = $1 where id = $2 returning id", [note, order]),
  )
  return changed.length === 1 ? `Done: the courier will leave it ${note}.` : "That is no order of yours."
}

/** Runs a query with a key that is gone when it is answered. */
export async function withKey<Row extends pg.QueryResultRow>(
  session: Session,
  request: { operation: string; arguments?: Record<string, unknown> },
  query: (shop: pg.Client) => Promise<pg.QueryResult<Row>>,
): Promise<Row[]> {
  await using lease = await session.lease("shop", request)
  const shop = new pg.Client(lease.settings)
  await shop.connect()
  try {
    return (await query(shop)).rows
  } finally {
    await shop.end()
  }
}
