import type { Clock } from "#kernel"

/** The database's time, estimated between readings: expiry is judged by one clock, whatever server asks. */
export interface DatabaseClock extends Clock {
  /** Takes in what the database just said its time was, in milliseconds since the Unix epoch. */
  learn(databaseMs: number): void
}

/** Follows the database's clock by the offset of the last reading. Before the first it is this machine's. */
export function createDatabaseClock(clock: Clock): DatabaseClock {
  let offsetMs = 0
  return {
    nowMs: () => clock.nowMs() + offsetMs,
    learn: (databaseMs) => {
      offsetMs = databaseMs - clock.nowMs()
    },
  }
}
