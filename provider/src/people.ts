/** Somebody who can sign in by a click. */
export type Person = {
  /** How tokens call the person; never reused, never an e-mail address. */
  sub: string
  /** What the sign-in page calls the person. */
  name: string
  /** Claims beside `sub` and `name`, in ID tokens and at the userinfo endpoint. */
  claims: { [claim: string]: unknown }
}

/** Two customers of a shop, and an operator of it. */
export const people: readonly Person[] = [
  customer("alice", "Alice", 1001),
  customer("bob", "Bob", 1002),
  { sub: "olga", name: "Olga", claims: { groups: ["sec-admins"], ...mailOf("olga") } },
]

function customer(sub: string, name: string, id: number): Person {
  return { sub, name, claims: { customer_id: id, groups: ["customers"], ...mailOf(sub) } }
}

function mailOf(sub: string): Person["claims"] {
  return { email: `${sub}@shop.example`, email_verified: true }
}
