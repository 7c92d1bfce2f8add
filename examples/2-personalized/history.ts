/**
 * Who changed which order: one query at the shop's own database. Of an edit by an agent it names the user, the agent, the
 * purpose, the session and the application that invoked the agent; of an edit by hand, the web site and its customer.
 */
export const ORDER_HISTORY = `
  select order_id as "order", after as note,
         coalesce(by ->> 'agent', 'by hand') as who,
         coalesce(by ->> 'subject', person) as "for",
         by ->> 'issuer' as issuer,
         by ->> 'purpose' as purpose,
         by ->> 'session' as session,
         coalesce(by ->> 'application', by ->> 'role') as through
    from history.order_edits
   order by id`

/** A line of it. */
export type OrderEdit = {
  order: number
  note: string
  /** Name of the agent, or `by hand`. */
  who: string
  /** The user's subject at the provider. */
  for: string | null
  issuer: string | null
  purpose: string | null
  session: string | null
  /** The application that invoked the agent; of an edit by hand, the account that made it. */
  through: string
}
