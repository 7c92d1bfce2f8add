const UNITS = [
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
] as const

/** `8 hours`; exact, so that nothing is promised that is not so. */
export function secondsInWords(seconds: number): string {
  const [size, unit] = UNITS.find(([each]) => seconds % each === 0) ?? [1, "second"]
  const count = seconds / size
  return `${count} ${unit}${count === 1 ? "" : "s"}`
}

const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" })
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: "UTC" })

/** `22 November 2026`, in UTC: a page without script does not know where its reader is. */
export function dayInWords(at: string | Date): string {
  return day.format(new Date(at))
}

/** `22 Nov 2026, 07:30 UTC` */
export function momentInWords(at: string | Date): string {
  return `${moment.format(new Date(at))} UTC`
}
