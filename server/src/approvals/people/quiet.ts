import { z } from "zod"

const minutes = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time is 00:00 to 23:59")

/** Hours in which somebody is not to be disturbed: from, to (the next day, where that is earlier), and where they are. */
export const quietHoursSchema = z
  .strictObject({
    from: minutes,
    to: minutes,
    timeZone: z.string().max(60).refine(isTimeZone, "a time zone is a name such as Europe/Berlin"),
  })
  .refine(({ from, to }) => from !== to, "quiet hours end when they begin")

/** The same, checked. */
export type QuietHours = z.infer<typeof quietHoursSchema>

const DAY = 24 * 60

/**
 * When quiet hours that hold now are over; null outside of them. By the clock on the wall of that place: where a night has an hour
 * more or less, the end is when that clock shows it.
 */
export function quietUntil(hours: QuietHours, nowMs: number): Date | null {
  const [from, to, now] = [minuteOf(hours.from), minuteOf(hours.to), wallMinute(hours.timeZone, nowMs)]
  const isQuiet = from < to ? now >= from && now < to : now >= from || now < to
  if (!isQuiet) return null
  const end = nowMs - (nowMs % 60_000) + ((to - now + DAY) % DAY) * 60_000
  // The wall clock went forward or back on the way: by an hour at the most places, by less at some.
  const off = ((wallMinute(hours.timeZone, end) - to + DAY + DAY / 2) % DAY) - DAY / 2
  return new Date(Math.max(end - off * 60_000, nowMs - (nowMs % 60_000) + 60_000))
}

function wallMinute(timeZone: string, atMs: number): number {
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
  const [hour, minute] = parts.format(atMs).split(":").map(Number)
  return hour! * 60 + minute!
}

function minuteOf(text: string): number {
  const [hour, minute] = text.split(":").map(Number)
  return hour! * 60 + minute!
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name })
    // An offset is no place: it knows no summer.
    return /^[A-Za-z]/.test(name)
  } catch {
    return false
  }
}
