/** Why a text, path or proof was refused. Stable: tools may switch on it. */
export type LogErrorCode =
  | "malformed-key"
  | "malformed-note"
  | "malformed-checkpoint"
  | "malformed-entries"
  | "malformed-proof"
  | "missing-tile"
  | "malformed-tile"
  | "unknown-signer"
  | "bad-signature"
  | "wrong-origin"
  | "not-included"
  | "out-of-range"

/** The one error this package throws on purpose. The message is for whoever holds the evidence. */
export class LogError extends Error {
  override readonly name = "LogError"
  readonly code: LogErrorCode

  constructor(code: LogErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
