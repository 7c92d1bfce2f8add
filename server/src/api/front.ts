import { type Route, route } from "#kernel"

type Listed = Pick<Route<never, never>, "method" | "path" | "listeners" | "right" | "summary">

/** `/` of the web listener: for whoever opens it in a browser, what this is and what is served here. */
export function frontRoute(routes: readonly Listed[]): Route<unknown, never> {
  const shown = routes.filter(({ listeners, right }) => listeners.includes("web") && right === "public")
  const width = Math.max(...shown.map(({ path }) => path.length))
  const lines = shown.map(({ path, summary }) => `  ${path.padEnd(width)}  ${summary}`)
  const text = [
    "This is the public side of a Safeconduct server: what others need to verify what it signs.",
    "",
    ...lines,
    "",
    "Agents ask here with an access token and DPoP proofs, or elsewhere with certificates, as operators do: see the metadata.",
    "",
  ].join("\n")
  return route({
    method: "GET",
    path: "/",
    listeners: ["web"],
    right: "public",
    events: null,
    summary: "What is served here, in words",
    handle: () =>
      new Response(text, {
        headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
      }),
  })
}
