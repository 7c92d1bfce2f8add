import type { Change } from "#audit"
import { type Approval, type Person, sayOf } from "../request.ts"
import { aboutApproval, approvalOver, unknownApproval } from "../requests.ts"
import * as requests from "../store.ts"
import * as store from "./store.ts"

/**
 * Gives everybody who decides a request as much time again as it had at first: ten times, and a day in all, at the most (WCAG 2.2,
 * 2.2.1). Whoever has a say in it and has not decided may take it. Not where somebody was promised when it ends, a client that asks
 * by CIBA (CIBA Core §7.3) or a provider that asks for us. Its work throws `approval-unknown` for who has no say, `approval-over` where
 * there is no more time to be had.
 */
export function extending(id: string, person: Person): Change<Approval> {
  return {
    async work(tx) {
      const found = await requests.lockRequest(tx, id)
      if (found === null || sayOf(found, person).length === 0) throw unknownApproval()
      const hasDecided = found.decisions.some(({ approver }) => approver === person.id)
      if (hasDecided || (await store.extendable(tx, [id])).length === 0) throw approvalOver(found)
      await store.extend(tx, id)
      await requests.announce(tx, id)
      return (await requests.findRequest(tx, id))!
    },
    entries: (approval) => [
      {
        ...aboutApproval(approval, "approvals.extended", person.id),
        data: { approval: approval.id, expiresAt: approval.expiresAt.toISOString() },
      },
    ],
  }
}
