import { Refusal } from "#kernel"

/** One thing that doctor looked at: what it found, and what to do when it is not well. */
export type Diagnosis = { what: string; isWell: boolean; found: string; fix: string | null }

/** Looks; what is thrown is what was found. */
export async function look(what: string, fix: string, work: () => string | Promise<string>): Promise<Diagnosis> {
  try {
    return { what, isWell: true, found: await work(), fix: null }
  } catch (error) {
    return bad(what, error, fix)
  }
}

/** What is not well. A refusal says it for callers already; of other errors the cause says more. */
export function bad(what: string, error: unknown, fix: string): Diagnosis {
  const cause = error instanceof Refusal ? null : (error as Error).cause
  const found = [error, cause].filter((each) => each instanceof Error).map((each) => (each as Error).message)
  return { what, isWell: false, found: found.join(": ") || "failed", fix }
}
