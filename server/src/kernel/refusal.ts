import { type RefusalCode, refusals } from "./refusals.ts"

/**
 * An expected no that ends the call: a stable code, and a sentence that tells the caller what and what to do.
 * The message holds no secret and no internals; the cause is for the operator's log only.
 */
export class Refusal extends Error {
  readonly code: RefusalCode
  /** Safe, structured detail for the caller, such as the line and column of a mistake. */
  readonly detail: Record<string, unknown> | undefined
  constructor(code: RefusalCode, message: string, options?: { cause?: unknown; detail?: Record<string, unknown> }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = "Refusal"
    this.code = code
    this.detail = options?.detail
  }
  /** HTTP status of the code (contract/refusals.json). */
  get status(): number {
    return refusals[this.code].status
  }
}

/** The refusal's code, or null when the error is not a refusal. */
export function refusalCode(error: unknown): RefusalCode | null {
  return error instanceof Refusal ? error.code : null
}
