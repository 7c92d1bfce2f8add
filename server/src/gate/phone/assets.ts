import { type Asset, assets } from "@safeconduct/console"
import { z } from "zod"
import type { Principal } from "#agents"
import { Refusal, type Route, route } from "#kernel"

/** The same bytes for everybody: what pages load is public. */
export function assetRoutes(): Route<Principal | null, never>[] {
  const all = assets()
  const own = [...all].filter(([, { isImmutable }]) => !isImmutable)
  const serve = (path: string, summary: string, find: (params: { [name: string]: string }) => Asset | undefined) =>
    route<Principal | null, undefined>({
      method: "GET",
      path,
      listeners: ["web"],
      right: "public",
      events: null,
      summary,
      query: z.object({}) as unknown as z.ZodType<Record<string, string>>,
      handle({ params }) {
        const asset = find(params)
        if (asset !== undefined) return responseOf(asset)
        throw new Refusal("not-found", "There is no such file. Open the page again: it may be of another release.")
      },
    })
  return [
    ...own.map(([path, asset]) => serve(path, "What the pages are installed with on a phone", () => asset)),
    serve("/assets/{version}/{name}", "A script or picture that pages load", ({ version, name }) =>
      all.get(`/assets/${version}/${name}`),
    ),
  ]
}

function responseOf({ type, body, isImmutable }: Asset): Response {
  return new Response(body, {
    headers: {
      "content-type": type,
      "cache-control": isImmutable ? "public, max-age=31536000, immutable" : "no-cache",
      "x-content-type-options": "nosniff",
      // Nothing of ours is drawn into, or read by, another site's page.
      "cross-origin-resource-policy": "same-origin",
      // A service worker may load what we have and nothing else (Service Workers §1, CSP Level 3 §4.2.3).
      "content-security-policy": "default-src 'none'; connect-src 'self'",
    },
  })
}
