import { Refusal, type RefusalCode } from "#kernel"
import { Unreachable } from "./fetch.ts"

/** What our parsers say of a text: here it is somebody's token, and what they say is its cause. */
const OF_A_TEXT: readonly RefusalCode[] = ["malformed-json", "policy-invalid"]

/** What went wrong, as the caller may know it: that the provider cannot be reached, or the refusal that was meant for it. */
export function refusalFor(error: unknown, provider: string, code: RefusalCode, what: string): Refusal {
  if (error instanceof Refusal && !OF_A_TEXT.includes(error.code)) return error
  if (isUnreachable(error)) {
    const sentence = `The provider "${provider}" cannot be asked at the moment. Try again later.`
    return new Refusal("provider-unavailable", sentence, { cause: error })
  }
  return new Refusal(code, what, { cause: error })
}

/** True when it, or what caused it, is that nothing could be fetched. */
export function isUnreachable(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth += 1) {
    if (at instanceof Unreachable) return true
  }
  return false
}
