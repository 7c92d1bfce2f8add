/**
 * Patterns of argument rules: a small language of our own, matched against the whole value in time that grows with its length
 * times the pattern's, whatever either is. No pattern of it blows up, so that neither a configuration's mistake nor an agent's
 * value can hold a server: there is nothing in it to backtrack over. No groups, alternatives, anchors, back-references, negated
 * classes or dots; several patterns are the alternatives of an `anyOf`.
 */
type Step = { accepts: (point: number) => boolean; isOptional: boolean; repeats: boolean }

/** A parsed pattern: true when the whole value is of its form. */
export type Pattern = (value: string) => boolean

const MAX_PATTERN = 200
/** Steps after `{n}` is written out. */
const MAX_STEPS = 256
const MAX_VALUE = 1_000

/** Null for a pattern that is not of this language, or comes to too many steps. */
export function parsePattern(text: string): Pattern | null {
  if (text.length > MAX_PATTERN) return null
  const steps: Step[] = []
  const points = [...text]
  let at = 0
  while (at < points.length) {
    const atom = atomAt(points, at)
    if (atom === null) return null
    const times = timesAt(points, atom.next)
    if (times === null || times.least > MAX_STEPS || (times.most ?? 0) > MAX_STEPS) return null
    const { accepts } = atom
    for (let nth = 0; nth < times.least; nth++) steps.push({ accepts, isOptional: false, repeats: false })
    if (times.most === null) steps.push({ accepts, isOptional: true, repeats: true })
    else for (let nth = times.least; nth < times.most; nth++) steps.push({ accepts, isOptional: true, repeats: false })
    if (steps.length > MAX_STEPS) return null
    at = times.next
  }
  return steps.length === 0 ? null : (value) => value.length <= MAX_VALUE && matches(steps, value)
}

const parsed = new Map<string, Pattern | null>()
const MAX_PARSED = 1_000

/** The same, remembered: rules are asked again and again. A pattern that does not parse is of no value's form. */
export function isOfForm(pattern: string, value: string): boolean {
  const known = parsed.get(pattern) ?? parsePattern(pattern)
  if (parsed.size >= MAX_PARSED) parsed.clear()
  parsed.set(pattern, known)
  return known?.(value) ?? false
}

/** All steps that could be next are followed at once, so that each character is looked at once for each of them. */
function matches(steps: readonly Step[], value: string): boolean {
  let now = withSkipped(steps, new Set([0]))
  for (const character of value) {
    const point = character.codePointAt(0)!
    const next = new Set<number>()
    for (const at of now) {
      const step = steps[at]
      if (step?.accepts(point)) next.add(step.repeats ? at : at + 1)
    }
    if (next.size === 0) return false
    now = withSkipped(steps, next)
  }
  return now.has(steps.length)
}

/** A set grows while it is walked, so that what follows a skipped step is skipped too. */
function withSkipped(steps: readonly Step[], at: Set<number>): Set<number> {
  for (const each of at) if (steps[each]?.isOptional) at.add(each + 1)
  return at
}

type Atom = { accepts: Step["accepts"]; next: number }

function atomAt(points: readonly string[], at: number): Atom | null {
  const point = points[at]!
  if (point === "[") return classAt(points, at + 1)
  const literal = literalAt(points, at)
  if (literal === null) return null
  const code = literal.character.codePointAt(0)!
  return { accepts: (given) => given === code, next: literal.next }
}

/** What means something elsewhere has to be escaped, so that no pattern means less than its author thought. */
const SPECIAL = new Set("\\^$.|?*+()[]{}/")

function literalAt(points: readonly string[], at: number): { character: string; next: number } | null {
  const point = points[at]
  if (point === undefined) return null
  if (point === "\\") {
    const escaped = points[at + 1]
    // \d, \w, \b and the like are none of this language.
    return escaped === undefined || /[A-Za-z0-9]/.test(escaped) ? null : { character: escaped, next: at + 2 }
  }
  return SPECIAL.has(point) ? null : { character: point, next: at + 1 }
}

function classAt(points: readonly string[], from: number): Atom | null {
  const ranges: [number, number][] = []
  let at = from
  while (points[at] !== "]") {
    const first = literalAt(points, at)
    if (first === null) return null
    const isRange = points[first.next] === "-" && points[first.next + 1] !== "]"
    const last = isRange ? literalAt(points, first.next + 1) : first
    if (last === null) return null
    const range: [number, number] = [first.character.codePointAt(0)!, last.character.codePointAt(0)!]
    if (range[0] > range[1]) return null
    ranges.push(range)
    at = last.next
  }
  if (ranges.length === 0) return null
  return { accepts: (point) => ranges.some(([least, most]) => point >= least && point <= most), next: at + 1 }
}

/** How often the atom before may come; `most` is null where there is no bound. Null for a quantifier that is none. */
function timesAt(points: readonly string[], at: number): { least: number; most: number | null; next: number } | null {
  const point = points[at]
  if (point === "?") return { least: 0, most: 1, next: at + 1 }
  if (point === "*") return { least: 0, most: null, next: at + 1 }
  if (point === "+") return { least: 1, most: null, next: at + 1 }
  if (point !== "{") return { least: 1, most: 1, next: at }
  const [whole, least, comma, most] = /^\{(\d{1,3})(,(\d{1,3})?)?\}/.exec(points.slice(at, at + 10).join("")) ?? []
  if (whole === undefined) return null
  const bounds = { least: Number(least), most: comma === undefined ? Number(least) : most ? Number(most) : null }
  if (bounds.most !== null && (bounds.most < bounds.least || bounds.most === 0)) return null
  return { ...bounds, next: at + whole.length }
}
