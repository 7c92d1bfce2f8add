import { leafHash, parseNoteVerifier, verifyProof } from "@safeconduct/tlog"
import type { Figure } from "../figure.ts"
import { openBenchLog } from "../log.ts"
import { callersOf, progress, quantile, type Round, show, showSpread, spreadOf } from "../measure.ts"

const CALLERS = [1, 64, 1_024]
/** Receipts asked for while others commit. */
const RECEIPTS_PER_ROUND = 20

/** Entries per second of the log, and how old an entry is when its receipt verifies. */
export const entries: Figure = {
  name: "entries",
  title: "Entries of the log, and their receipts",
  what: `Commits of one entry of about 500 bytes by so many callers of one process. Floor: the same group commit into an ordinary table with
the same columns and indexes. Receipt: from the call that commits an entry to a proof of it that verifies, while those callers go on.`,
  async measure(pace) {
    await using log = await openBenchLog()
    const verifier = parseNoteVerifier(log.audit.vkey)
    const receipt = async () => {
      const began = performance.now()
      const id = await log.commit()
      const [proof, { text }] = await Promise.all([log.audit.receipt(id), log.audit.entry(id)])
      await verifyProof(proof, leafHash(Buffer.from(text)), verifier)
      return performance.now() - began
    }
    await callersOf(64, pace.seconds, log.commit)
    const rows: string[][] = []
    let ratioAt64 = 0
    let worstReceiptMs = 0
    for (const callers of CALLERS) {
      progress(`entries: ${callers} callers`)
      const [ours, floor, receipts]: [Round[], Round[], number[]] = [[], [], []]
      for (let round = 0; round < pace.rounds; round++) {
        const busy = callersOf(callers, pace.seconds / 2, log.commit)
        for (let nth = 0; nth < RECEIPTS_PER_ROUND; nth++) receipts.push(await receipt())
        await busy
        ours.push(await callersOf(callers, pace.seconds / 2, log.commit))
        floor.push(await callersOf(callers, pace.seconds / 2, log.insert))
      }
      receipts.sort((a, b) => a - b)
      const ratio = spreadOf(ours.map(({ perSecond }, at) => perSecond / floor[at]!.perSecond))
      if (callers === 64) ratioAt64 = ratio.median
      worstReceiptMs = Math.max(worstReceiptMs, receipts.at(-1)!)
      const median = (rounds: Round[], of: keyof Round) => show(spreadOf(rounds.map((round) => round[of])).median)
      rows.push([
        String(callers),
        showSpread(spreadOf(ours.map(({ perSecond }) => perSecond))),
        median(ours, "p50Ms"),
        median(ours, "p99Ms"),
        showSpread(spreadOf(floor.map(({ perSecond }) => perSecond))),
        median(floor, "p99Ms"),
        showSpread(ratio),
        show(quantile(receipts, 0.5)),
        show(receipts.at(-1)!),
      ])
    }
    const columns = [
      "callers",
      "entries/s",
      "p50 ms",
      "p99 ms",
      "floor/s",
      "floor p99",
      "ratio",
      "receipt p50 ms",
      "worst",
    ]
    return {
      columns,
      rows,
      notes: [`Entries of ${log.leafBytes} bytes.`],
      aims: [
        { aim: "at least 0.7 of the floor at 64 callers", value: show(ratioAt64), isReached: ratioAt64 >= 0.7 },
        {
          aim: "a receipt within 1 s",
          value: `${show(worstReceiptMs)} ms at worst`,
          isReached: worstReceiptMs <= 1_000,
        },
      ],
    }
  },
}
