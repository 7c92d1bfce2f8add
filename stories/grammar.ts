/**
 * The text that stories are written in: one step a line, seven verbs, nothing that a reader must look up. A line is a
 * verb and what follows it; a line of another form is a mistake in the story, named with file and line.
 */

/** What an agent, or somebody who should not, does. */
export type Act =
  | { act: "lease"; resource: string; operation: string; values: Values }
  | {
      act: "delegate"
      purpose: string
      resource: string
      operation: string
      type: "credential" | "tool"
      agent: string
    }
  | { act: "tool"; resource: string; operation: string; arguments: object; said: string | null; isApproved: boolean }
  | { act: "login" }
  | { act: "sql"; connection: string; sql: string }
  | { act: "steal"; agent: string }
  | { act: "forge"; agent: string }
  | { act: "suspend" | "resume"; agent: string }
  | { act: "call"; method: string; path: string; body: object | null; as: string }

/** `order=7001 note=late`: parameters that an application states, arguments that an agent gives. */
export type Values = { [name: string]: string }

/** What the step before must have led to. */
export type Expectation =
  | { expect: "allowed" }
  | { expect: "answer"; text: string }
  /** Somebody has to approve it first. */
  | { expect: "asked" }
  /** Whatever became of it, this does not stand in it. */
  | { expect: "no"; text: string }
  /** Whatever became of it, nothing that is that person's came through. */
  | { expect: "nothing"; of: string }
  | { expect: "refused"; code: string }
  | { expect: "failed"; sqlState: string }
  | { expect: "cut" }
  | { expect: "gone" }

/** A step's meaning, without its place. */
export type Meaning =
  | {
      verb: "session"
      user: string | null
      agent: string
      purpose: string
      values: Values
      seconds: number | null
      request: string | null
    }
  | ({ verb: "act" } & Act)
  | { verb: "read"; document: string }
  | { verb: "approve"; user: string; isDenied: boolean }
  | { verb: "end" }
  | ({ verb: "expect" } & Expectation & { withinMs: number | null })
  | { verb: "prove"; events: string[] }
  | { verb: "prove"; count: number }

/** A line of a story. */
export type Step = Meaning & { line: number; source: string }

/** A story: what it shows, from the comment at its top, and its steps in order. */
export type Story = { file: string; title: string; steps: Step[] }

type Form = {
  verb: Meaning["verb"]
  /** How the line looks, for the message about one that does not. */
  form: string
  pattern: RegExp
  read: (match: (string | undefined)[]) => Meaning
}

const forms: Form[] = [
  {
    verb: "session",
    form: `session  [user →] agent  for purpose  [about name=value]  [lasting 2s]  ["what the user asked"]`,
    pattern: /^(?:(\S+) → )?(\S+) for (\S+?)(?: about (\S+=\S+))?(?: lasting (\d+)s)?(?: "([^"]*)")?$/,
    read: ([, user, agent, purpose, about, seconds, request]) => ({
      verb: "session",
      user: user ?? null,
      agent: agent!,
      purpose: purpose!,
      values: valuesOf(about),
      seconds: seconds === undefined ? null : Number(seconds),
      request: request ?? null,
    }),
  },
  {
    verb: "act",
    form: "act  lease resource operation  [with name=value]",
    pattern: /^lease (\S+) (\S+)(?: with (\S+=\S+))?$/,
    read: ([, resource, operation, given]) => ({
      verb: "act",
      act: "lease",
      resource: resource!,
      operation: operation!,
      values: valuesOf(given),
    }),
  },
  {
    verb: "act",
    form: "act  delegate purpose ([tool] resource operation) to agent",
    pattern: /^delegate (\S+) \((tool )?(\S+) (\S+)\) to (\S+)$/,
    read: ([, purpose, tool, resource, operation, agent]) => ({
      verb: "act",
      act: "delegate",
      purpose: purpose!,
      type: tool === undefined ? "credential" : "tool",
      resource: resource!,
      operation: operation!,
      agent: agent!,
    }),
  },
  {
    verb: "act",
    form: `act  tool resource operation [{ JSON }] [saying "words"] [as approved]`,
    pattern: /^tool (\S+) (\S+)(?: (\{.*\}))?(?: saying ("(?:[^"\\]|\\.)*"))?( as approved)?$/,
    read: ([, resource, operation, given, said, approved]) => ({
      verb: "act",
      act: "tool",
      resource: resource!,
      operation: operation!,
      arguments: given === undefined ? {} : (JSON.parse(given) as object),
      said: said === undefined ? null : (JSON.parse(said) as string),
      isApproved: approved !== undefined,
    }),
  },
  { verb: "act", form: "act  login", pattern: /^login$/, read: () => ({ verb: "act", act: "login" }) },
  {
    verb: "act",
    form: "act  sql[@connection]  statement",
    pattern: /^sql(?:@(\w+))? (.+)$/,
    read: ([, connection, sql]) => ({ verb: "act", act: "sql", connection: connection ?? "main", sql: sql! }),
  },
  {
    verb: "act",
    form: "act  steal|forge svid of agent",
    pattern: /^(steal|forge) svid of (\S+)$/,
    read: ([, act, agent]) => ({ verb: "act", act: act as "steal" | "forge", agent: agent! }),
  },
  {
    verb: "act",
    form: "act  suspend|resume agent",
    pattern: /^(suspend|resume) (\S+)$/,
    read: ([, act, agent]) => ({ verb: "act", act: act as "suspend" | "resume", agent: agent! }),
  },
  {
    verb: "act",
    form: "act  call METHOD /path [{ JSON }] as agent|operator|nobody",
    pattern: /^call (GET|POST|PUT|DELETE) (\/\S*)(?: (\{.*\}))? as (\S+)$/,
    read: ([, method, path, body, as]) => ({
      verb: "act",
      act: "call",
      method: method!,
      path: path!,
      body: body === undefined ? null : (JSON.parse(body) as object),
      as: as!,
    }),
  },
  {
    verb: "read",
    form: "read  document.txt",
    pattern: /^(\S+\.\w+)$/,
    read: ([, document]) => ({ verb: "read", document: document! }),
  },
  {
    verb: "approve",
    form: "approve  user  [denies]",
    pattern: /^(\S+?)( denies)?$/,
    read: ([, user, denies]) => ({ verb: "approve", user: user!, isDenied: denies !== undefined }),
  },
  { verb: "end", form: "end", pattern: /^$/, read: () => ({ verb: "end" }) },
  {
    verb: "expect",
    form: `expect  allowed | asked | answer "text" | cut | gone  [within 250ms]`,
    pattern: /^(?:(allowed|asked|cut|gone)|answer "(.+)")(?: within (\d+)ms)?$/,
    read: ([, word, text, ms]) => ({
      verb: "expect",
      withinMs: ms === undefined ? null : Number(ms),
      ...(word === undefined
        ? { expect: "answer", text: text! }
        : { expect: word as "allowed" | "asked" | "cut" | "gone" }),
    }),
  },
  {
    verb: "expect",
    form: `expect  no "text"`,
    pattern: /^no ("(?:[^"\\]|\\.)+")$/,
    read: ([, text]) => ({ verb: "expect", withinMs: null, expect: "no", text: JSON.parse(text!) as string }),
  },
  {
    verb: "expect",
    form: "expect  nothing of person",
    pattern: /^nothing of (\S+)$/,
    read: ([, of]) => ({ verb: "expect", withinMs: null, expect: "nothing", of: of! }),
  },
  {
    verb: "expect",
    form: "expect  refused refusal-code | failed SQLSTATE  [within 250ms]",
    pattern: /^(?:refused ([a-z]+(?:-[a-z]+)*)|failed ([0-9A-Z]{5}))(?: within (\d+)ms)?$/,
    read: ([, code, sqlState, ms]) => ({
      verb: "expect",
      withinMs: ms === undefined ? null : Number(ms),
      ...(code === undefined ? { expect: "failed", sqlState: sqlState! } : { expect: "refused", code }),
    }),
  },
  {
    verb: "prove",
    form: "prove  N entries",
    pattern: /^(\d+) entries$/,
    read: ([, count]) => ({ verb: "prove", count: Number(count) }),
  },
  {
    verb: "prove",
    form: "prove  room.what-happened  room.what-happened …",
    pattern: /^([a-z]+\.[a-z-]+(?: [a-z]+\.[a-z-]+)*)$/,
    read: ([, events]) => ({ verb: "prove", events: events!.split(" ") }),
  },
]

function valuesOf(text: string | undefined): Values {
  if (text === undefined) return {}
  const at = text.indexOf("=")
  return { [text.slice(0, at)]: text.slice(at + 1) }
}

/** What a story may name; a word outside these is a mistake of the story. */
export type Vocabulary = { refusals: ReadonlySet<string>; events: ReadonlySet<string> }

/** Reads a story. Throws an Error that begins with `file:line` for a line of no form and for a code or event that is not there. */
export function parseStory(file: string, text: string, vocabulary: Vocabulary): Story {
  const lines = text.split("\n")
  const [first = ""] = lines
  if (!/^# \S/.test(first)) throw new Error(`${file}:1: a story begins with "# " and what it shows`)
  const steps = lines.flatMap((line, at): Step[] => {
    if (line.trim() === "" || line.startsWith("#")) return []
    return [
      { ...readLine(line, `${file}:${at + 1}`, vocabulary), line: at + 1, source: line.replaceAll(/\s+/g, " ").trim() },
    ]
  })
  if (steps[0]?.verb === "expect") throw new Error(`${file}:${steps[0].line}: nothing happened before this`)
  if (!steps.some(({ verb }) => verb === "expect"))
    throw new Error(`${file}:1: a story that expects nothing shows nothing`)
  return { file, title: first.slice(2).trim(), steps }
}

function readLine(line: string, place: string, vocabulary: Vocabulary): Meaning {
  const [verb = "", ...words] = line.trimEnd().split(/\s+/)
  const own = forms.filter((each) => each.verb === verb)
  if (own.length === 0) {
    const verbs = [...new Set(forms.map((each) => each.verb))].join(", ")
    throw new Error(`${place}: "${verb}" is no verb; there are ${verbs}`)
  }
  const rest = words.join(" ")
  for (const { pattern, read } of own) {
    const match = pattern.exec(rest)
    if (match !== null) return checkWords(read([...match]), place, vocabulary)
  }
  throw new Error(`${place}: "${verb} ${rest}" has none of the forms\n${own.map(({ form }) => `  ${form}`).join("\n")}`)
}

function checkWords(meaning: Meaning, place: string, { refusals, events }: Vocabulary): Meaning {
  if (meaning.verb === "expect" && meaning.expect === "refused" && !refusals.has(meaning.code)) {
    throw new Error(`${place}: "${meaning.code}" is no refusal (contract/refusals.json)`)
  }
  const unknown =
    meaning.verb === "prove" && "events" in meaning ? meaning.events.find((each) => !events.has(each)) : undefined
  if (unknown !== undefined) throw new Error(`${place}: "${unknown}" is no event (contract/events.json)`)
  return meaning
}
