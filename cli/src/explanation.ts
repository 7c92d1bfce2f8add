/** What a session may do now, as the server answers it. */
export type Explanation = {
  session: { id: string; agent: string; purpose: string; state: string; expiresAt: string; hardEndAt: string }
  description: string | null
  requestText: "none" | "consent" | "application" | "passkey"
  may: {
    words: string
    verdict: "allow" | "deny" | "ask"
    reasons: string[]
    limits: { measure: string; perSeconds: number | null; atMost: number; left: number }[]
  }[]
  used: { measure: string; spent: number }[]
  labels: { label: string; since: string }[]
}

const REQUESTS = {
  none: "none: what has to stand in one cannot be verified",
  consent: "shown to the user on the consent page",
  application: "signed by the application",
  passkey: "signed by the user",
}

/** The same in sentences, one a line. */
export function explained({ session, description, requestText, may, used, labels }: Explanation): string[] {
  const { id, agent, purpose, state, expiresAt, hardEndAt } = session
  const what = description === null ? purpose : `${purpose} (${description})`
  if (state !== "open") return [`${id} of ${agent}, for ${what}, is over: it may do nothing.`, ...history(used, labels)]
  return [
    `${id} of ${agent}, for ${what}, until ${expiresAt}, renewed until ${hardEndAt} at the latest.`,
    may.length === 0 ? "It may do nothing." : "It may",
    ...may.map((one) => `  ${one.words}${leftInWords(one.limits)}${saidBy(one)}`),
    `Request of the user: ${REQUESTS[requestText]}`,
    ...history(used, labels),
  ]
}

function leftInWords(limits: Explanation["may"][number]["limits"]): string {
  if (limits.length === 0) return ""
  const each = limits.map(({ measure, perSeconds, atMost, left }) => {
    const time = perSeconds === null ? "" : ` in ${perSeconds} s`
    return `${left} of ${atMost}${measure === "uses" ? " uses" : ` of ${argumentOf(measure)}`}${time}`
  })
  return `; left: ${each.join(", ")}`
}

/** Rules of arguments are asked about each action; this is what policies say beside them. */
function saidBy({ verdict, reasons }: Explanation["may"][number]): string {
  if (verdict === "allow") return ""
  return `; ${verdict === "ask" ? "only when approved" : "denied now"}: ${reasons.join(" ")}`
}

function history(used: Explanation["used"], labels: Explanation["labels"]): string[] {
  const counts = used.map(({ measure, spent }) =>
    measure === "uses" ? `${spent} uses` : `${argumentOf(measure)} ${spent}`,
  )
  return [
    `Used of its limits: ${counts.length === 0 ? "nothing" : counts.join(", ")}`,
    `Seen: ${labels.length === 0 ? "nothing that is labelled" : labels.map(({ label, since }) => `${label} (since ${since})`).join(", ")}`,
  ]
}

function argumentOf(measure: string): string {
  return measure.slice("sum:".length)
}
