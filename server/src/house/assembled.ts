import { events as agents } from "#agents"
import { healthRoutes } from "#api"
import { events as approvals } from "#approvals"
import { events as audit } from "#audit"
import { events as credentials } from "#credentials"
import { events as gate } from "#gate"
import type { Route } from "#kernel"
import { events as policy } from "#policy"
import { allRoutes as routesOf } from "#programs"
import { events as sessions } from "#sessions"

/** What each room records. */
export const eventsByRoom: { readonly [room: string]: { readonly [event: string]: string } } = {
  agents,
  approvals,
  audit,
  credentials,
  gate,
  policy,
  sessions,
}

/** Every event of every room. */
export function allEvents(): { [event: string]: string } {
  return Object.assign({}, ...Object.values(eventsByRoom))
}

/** Every route of the server, without a server: making a route touches nothing, only its handler would. */
export function allRoutes(): readonly Route<never, never>[] {
  const rooms = new Proxy({}, { get: () => rooms }) as never
  return [...routesOf(rooms, rooms), ...healthRoutes([])] as unknown as readonly Route<never, never>[]
}
