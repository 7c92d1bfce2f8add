import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, route } from "#kernel"
import { type Keys, keyUses, retireLogKey, rotated, rotateKey, viewKeys } from "./keys.ts"
import type { Rooms } from "./rooms.ts"

const time = z.iso.datetime().nullable()
const view = z.object({
  kid: z.string(),
  use: z.enum(keyUses),
  state: z.enum(["next", "active", "verifying", "retired"]),
  activeFrom: time,
  retiredAt: time,
})

/** Keys: what there is, and going over to the next. */
export function keyRoutes(rooms: Rooms, keys: Keys): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/keys",
      listeners: ["agents"],
      right: "read-keys",
      events: null,
      summary: "Keys: what each is for, and since when; never the key",
      answer: z.object({ keys: z.array(view) }),
      handle: async () => ({ keys: await viewKeys(rooms, keys) }),
    }),
    route<Principal | null, undefined>({
      method: "POST",
      path: "/v1/keys/{use}/rotation",
      listeners: ["agents"],
      right: "manage-keys",
      events: [
        "sessions.token-key-made",
        "agents.authority-created",
        "audit.log-key-added",
        "gate.resealing-begun",
        "gate.resealing-finished",
      ],
      summary: "Go over to the next key, without an interruption",
      answer: z.object({ use: z.enum(rotated), kid: z.string(), next: z.string() }),
      handle: async ({ caller, params }) => {
        const use = rotated.find((each) => each === params["use"])
        if (use === undefined) throw new Refusal("not-found", `Keys that are rotated are of ${rotated.join(", ")}.`)
        return await rotateKey(rooms, keys, use, caller!.spiffeId)
      },
    }),
    route<Principal | null, undefined>({
      method: "POST",
      path: "/v1/keys/log/retirement",
      listeners: ["agents"],
      right: "manage-keys",
      events: ["audit.log-key-retired"],
      summary: "End the overlap of log keys: the newest signs alone",
      answer: z.object({ retired: z.array(z.string()), kid: z.string() }),
      handle: async ({ caller }) => await retireLogKey(rooms, caller!.spiffeId),
    }),
  ]
}
