import type { Change } from "#audit"
import { newId } from "#kernel"
import type { User } from "../user.ts"
import { rememberUser } from "./store.ts"

/**
 * Knows a person who signed in or whose token verified; the first time is recorded, with issuer and subject as personal
 * values: erased, the id stands for nobody.
 */
export function rememberingUser(seen: Omit<User, "id">, by: string): Change<User> {
  let isFirst = false
  const candidate = newId("user")
  return {
    async work(tx) {
      const { id, isNew } = await rememberUser(tx, candidate, seen)
      isFirst = isNew
      return { ...seen, id }
    },
    entries: ({ id, provider, iss, sub }) =>
      isFirst ? [{ event: "sessions.user-known", by, user: id, data: { provider }, personal: { iss, sub } }] : [],
  }
}
