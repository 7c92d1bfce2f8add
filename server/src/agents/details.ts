import { z } from "zod"
import { parsePattern } from "./pattern.ts"

const action = z
  .string()
  .regex(/^(tool|sql|http|credential|delegate):[A-Za-z0-9][A-Za-z0-9_./-]{0,199}$/, "must be <action type>:<operation>")
const location = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$/, "must be the name of a resource")
const argumentName = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,127}$/)
const name = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/, "a name is letters, digits, _ and -")
/** What a session has seen, such as `untrusted`. */
export const label = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "a label is a-z, 0-9 and hyphens")

/** What an argument may be compared with. Lists and objects never satisfy a rule. */
const scalar = z.union([z.string().max(1_000), z.number(), z.boolean()])

/** Words that a request may say; compared without regard to case. */
const words = z
  .array(z.string().regex(/^[^\s]+(?: [^\s]+)*$/u, "words with one space between them"))
  .min(1)
  .max(256)
const pattern = z.string().refine((text) => parsePattern(text) !== null, {
  error: "characters, classes and the quantifiers ? * + {n} {n,m} alone, 200 characters and 256 steps at the most",
})

/** Rules with one meaning each. A kind is its only member, so that one which this version does not know is refused, not skipped. */
const simpleRule = z.union([
  z.strictObject({ constant: scalar }),
  z.strictObject({ oneOf: z.array(scalar).min(1).max(256) }),
  z.strictObject({ atMost: z.number() }),
  z.strictObject({ atLeast: z.number() }),
  /** The argument is not given, or null: the resource's own default applies. */
  z.strictObject({ absent: z.literal(true) }),
  /** Stands in the user's request, as a whole. */
  z.strictObject({ inRequest: z.literal(true) }),
  /** Equals this claim of the signed-in user, by our name for it. */
  z.strictObject({ userClaim: name }),
  /** Equals this parameter of the purpose. */
  z.strictObject({ parameter: name }),
  /** Names an object of that kind which was made in this session. */
  z.strictObject({ madeHere: name }),
  /** Is what this look-up of the purpose finds in a system of record. */
  z.strictObject({ lookedUp: name }),
  /** Is a number, and no more than the largest that this look-up finds. */
  z.strictObject({ atMostLookedUp: name }),
  /** Is what the user's request names: this look-up finds values, each with its names, and one of its names stands there. */
  z.strictObject({ named: name }),
  /** Is a text that is of this form as a whole. */
  z.strictObject({ pattern }),
  /** Is a text of at most so many characters, none of them hidden, in which nothing leads anywhere that the request does not. */
  z.strictObject({ plainText: z.int().min(1).max(10_000) }),
  /** The request says one of these words, whatever the value is. */
  z.strictObject({ requestSays: words }),
  /** One of what this look-up finds, among which only the user's approval can choose; anything else fails. */
  z.strictObject({ choice: name }),
  /**
   * May come from what the request refers to, by one of these words, or by a name that the look-up finds: only the user's approval
   * can verify it then. Without such a reference it fails.
   */
  z.strictObject({
    fromSource: z
      .strictObject({ words: words.optional(), names: name.optional() })
      .refine(({ words, names }) => words !== undefined || names !== undefined, "says words, names or both"),
  }),
  /** Nothing but the user's approval of this very action can verify it. */
  z.strictObject({ approval: z.literal("user") }),
])

/**
 * Of the request, only what follows one of the words `from`, up to the end of the sentence or to one of the words `until`: in
 * "delete a.txt and share b.txt" only one of both is named to be deleted.
 */
const part = z.strictObject({ from: words, until: words.optional() }).optional()
const alternatives = z.array(simpleRule).min(1).max(16)

/** One thing that must hold of an argument; of `anyOf`, one. What each kind means is for sessions to say. */
const argumentRule = z.union([
  ...simpleRule.options,
  z.strictObject({ anyOf: alternatives, part }),
  /** The argument is a list, of each item of which one of these holds. */
  z.strictObject({ eachOf: alternatives, part }),
])

/** A parsed rule without alternatives. */
export type SimpleRule = z.infer<typeof simpleRule>

/** A parsed rule. */
export type ArgumentRule = z.infer<typeof argumentRule>

/** Limits that share a budget count together. Without one, a limit counts what its own detail allows; compiled, it has a name with `~`. */
const budget = z.string().regex(/^~?[A-Za-z0-9_-]{1,64}$/, "a budget is letters, digits, _ and -")
const bounds = {
  /** Counted over the last so many seconds; over the whole session when absent. */
  perSeconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .optional(),
  budget: budget.optional(),
}

/** Most allowed actions, or the most that a numeric argument of theirs may come to together, in one session. */
const limit = z.union([
  z.strictObject({ uses: z.int().min(0), ...bounds }),
  z.strictObject({ sum: argumentName, atMost: z.number().min(0), ...bounds }),
])

/** A parsed limit. */
export type ActionLimit = z.infer<typeof limit>

/**
 * One authorization detail (RFC 9396 §2) of the type `safeconduct_action`: in ceilings, purposes, mandates and tokens. Unknown
 * fields are refused. What its rules and limits mean is for sessions to say.
 */
export const actionDetails = z.strictObject({
  type: z.literal("safeconduct_action"),
  /** What may be done: `credential:read`, `tool:refund`. */
  actions: z.array(action).min(1).max(256),
  /** Names of resources. */
  locations: z.array(location).min(1).max(256),
  /** Rules by argument, all of which must hold. Arguments that are in neither this nor `sinks` are free. */
  arguments: z.record(argumentName, z.array(argumentRule).min(1).max(64)).optional(),
  /**
   * Arguments that decide where the effect lands. Those with rules, unless this is given; one without a rule is verified by
   * nothing but the user's approval.
   */
  sinks: z.array(argumentName).max(64).optional(),
  /** No argument is given but these, whatever a tool may make of others. */
  only: z.array(argumentName).max(128).optional(),
  limits: z.array(limit).min(1).max(32).optional(),
  /** What a session has seen from the moment on that this allowed it something. */
  labels: z.array(label).max(16).optional(),
})

/**
 * Exactly one action, with the values of its arguments (RFC 9396 §2). It is a type of its own, because in `safeconduct_action` an
 * argument is a list of rules: no reader could tell a value that is a list from a rule. Unknown members are refused.
 */
export const oneActionDetails = z.strictObject({
  type: z.literal("safeconduct_one_action"),
  actions: z.array(z.string().max(220)).length(1),
  locations: z.array(z.string().max(200)).length(1),
  arguments: z.record(z.string().max(200), z.json()).default({}),
})

/** The detail of one action. */
export type OneActionDetail = z.infer<typeof oneActionDetails>

/** What may be done (`<action type>:<operation>`), where (names of resources), and within which bounds. */
export type ActionDetails = z.infer<typeof actionDetails>
