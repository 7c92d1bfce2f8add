import { inspect } from "node:util"

/** A value that must not be printed: every way of turning it into text yields "[secret]", except reveal(). */
export class Secret<T = string> {
  readonly #value: T
  constructor(value: T) {
    this.#value = value
  }
  /** The value itself. Called only by engines, by the sealing keyring, and where a credential leaves for its holder. */
  reveal(): T {
    return this.#value
  }
  toString(): string {
    return "[secret]"
  }
  toJSON(): string {
    return "[secret]"
  }
  [inspect.custom](): string {
    return "[secret]"
  }
}
