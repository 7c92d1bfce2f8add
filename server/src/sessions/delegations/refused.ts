import { Refusal } from "#kernel"

/** The same for an offer that is not there and for one to another agent. */
export function unknownOffer(): Refusal {
  return new Refusal("delegation-unknown", "Nothing like this was offered to this agent.")
}

/** For an offer that nobody can take up any more. */
export function over(): Refusal {
  const why = "It was taken up, waited for too long, or the session that offered it is over."
  return new Refusal("delegation-over", `${why} Ask for it to be handed on again.`)
}
