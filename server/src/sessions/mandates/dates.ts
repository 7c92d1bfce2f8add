/** A day that a text names, with where; `day` is null for a month alone, which no value is compared with. */
type Found = { day: string | null; from: number; to: number }

const MONTHS = [
  ["January", "Jan", "Januar"],
  ["February", "Feb", "Februar"],
  ["March", "Mar", "März"],
  ["April", "Apr"],
  ["May", "Mai"],
  ["June", "Jun", "Juni"],
  ["July", "Jul", "Juli"],
  ["August", "Aug"],
  ["September", "Sep", "Sept"],
  ["October", "Oct", "Oktober", "Okt"],
  ["November", "Nov"],
  ["December", "Dec", "Dezember", "Dez"],
]

const month = `(?<month>${MONTHS.flat().join("|")})\\.?`
const day = "(?<day>0?[1-9]|[12]\\d|3[01])(?:st|nd|rd|th|\\.)?"
const year = "(?<year>[12]\\d{3})"
const begins = "(?<![\\p{L}\\p{N}.,/-])"
const ends = "(?![\\p{L}\\p{N}]|[.,/-]\\p{N})"

/** In the order in which they are tried; a later form names nothing inside an earlier one's find. */
const FORMS = [
  `${begins}${year}-(?<number>\\d{2})-(?<day>\\d{2})(?![\\p{N}-])`, // 2024-05-18, also before a T
  `${begins}(?<day>\\d{1,2})\\.(?<number>\\d{1,2})\\.${year}${ends}`, // 18.5.2024
  `${begins}${month} ${day},? ${year}${ends}`, // May 18th, 2024
  `${begins}${day} (?:of )?${month},? ${year}${ends}`, // 18 May 2024, 18. Mai 2024
  `${begins}${month},? ${year}${ends}`, // May 2024
  `${begins}${month} ${day}${ends}`, // May 18
  `${begins}${day} (?:of )?${month}${ends}`, // 18 May
].map((form) => new RegExp(form, "gu"))

/** The days that a text names. One without a year names none, and neither does 5/6/2024, which is two days. */
function daysIn(text: string): Found[] {
  const found: Found[] = []
  for (const form of FORMS) {
    for (const match of text.matchAll(form)) {
      const [from, to] = [match.index, match.index + match[0].length]
      if (found.some((other) => from < other.to && other.from < to)) continue
      found.push({ day: dayOf(match.groups!), from, to })
    }
  }
  return found.sort((a, b) => a.from - b.from)
}

function dayOf(groups: { [name: string]: string | undefined }): string | null {
  const { year: y, day: d, month: name, number } = groups
  if (y === undefined || d === undefined) return null
  const m = number ?? String(MONTHS.findIndex((names) => names.includes(name!)) + 1)
  return validDay(`${y}-${m.padStart(2, "0")}-${d.padStart(2, "0")}`)
}

function validDay(iso: string): string | null {
  const time = Date.parse(`${iso}T00:00:00Z`)
  return Number.isNaN(time) || !new Date(time).toISOString().startsWith(iso) ? null : iso
}

const TIMES =
  /(?<![\p{L}\p{N}.,:/-])(?:(?<hour>[01]?\d|2[0-3]):(?<minute>[0-5]\d)(?::00)?|(?<full>1[0-2]|0?[1-9])(?= ?[ap]\.?m))(?: ?(?<half>[ap])\.?m)?(?![\p{L}\p{N}]|[:,/-]\p{N})|(?<=\d{4}-\d{2}-\d{2}T)(?<hour2>[01]\d|2[0-3]):(?<minute2>[0-5]\d)/giu

/** Times of day in a text, as HH:MM: `10:00`, `3:30 pm`, `10am`. */
function timesIn(text: string): { time: string; from: number; to: number }[] {
  return [...text.matchAll(TIMES)].flatMap(({ 0: whole, index, groups = {} }) => {
    const [hour, minute] = [groups["hour"] ?? groups["hour2"] ?? groups["full"], groups["minute"] ?? groups["minute2"]]
    const time = timeOf(Number(hour), minute ?? "00", groups["half"]?.toLowerCase())
    return time === null ? [] : [{ time, from: index, to: index + whole.length }]
  })
}

function timeOf(hour: number, minute: string, half: string | undefined): string | null {
  if (half !== undefined && (hour < 1 || hour > 12)) return null
  const hours = half === undefined ? hour : (hour % 12) + (half === "p" ? 12 : 0)
  return `${String(hours).padStart(2, "0")}:${minute}`
}

const VALUE = /^(?<day>\d{4}-\d{2}-\d{2})(?:[ T](?<time>(?:[01]\d|2[0-3]):[0-5]\d)(?::00)?)?$/

/**
 * True when the value is a day, or a day and a time, as programs write them (`2024-05-18`, `2024-05-18 10:00`), and the text
 * names just that in whatever form. Where a text names several days, the time has to stand right beside its own.
 */
export function namesMoment(text: string, value: string): boolean {
  const { day: wanted, time: at } = VALUE.exec(value)?.groups ?? {}
  if (wanted === undefined) return false
  const days = daysIn(text)
  const own = days.filter((each) => each.day === wanted)
  if (at === undefined || own.length === 0) return own.length > 0
  const times = timesIn(text).filter(({ time }) => time === at)
  if (new Set(days.map((each) => each.day)).size === 1) return times.length > 0
  return own.some((one) => times.some((other) => isBeside(text, one, other)))
}

const BETWEEN = /^(?:[ ,T]|\b(?:at|on|from|um|am|ab)\b){0,5}$/

type Span = { from: number; to: number }

function isBeside(text: string, a: Span, b: Span): boolean {
  const [first, second] = a.from < b.from ? [a, b] : [b, a]
  return second.from >= first.to && BETWEEN.test(text.slice(first.to, second.from))
}

/** The text without the days that it names: the year of a date is no amount. */
export function withoutDays(text: string): string {
  const found = daysIn(text)
  return found.reduceRight((rest, { from, to }) => `${rest.slice(0, from)}\u{fffd}${rest.slice(to)}`, text)
}
