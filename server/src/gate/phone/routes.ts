import type { Principal } from "#agents"
import type { Route } from "#kernel"
import type { Rooms } from "../rooms.ts"
import { assetRoutes } from "./assets.ts"

/** What people are asked, and answer, on a phone. */
export function phoneRoutes(_rooms: Rooms): Route<Principal | null, never>[] {
  return [...assetRoutes()]
}
