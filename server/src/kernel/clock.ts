/** Milliseconds since the Unix epoch. Passed to whatever needs the time, so that tests own it. */
export interface Clock {
  nowMs(): number
}

/** The machine's clock. Deadlines that matter are judged by the database's, in SQL. */
export const systemClock: Clock = { nowMs: () => Date.now() }
