import type { Session } from "@safeconduct/sdk"

declare const session: Session
declare const payroll: { raise(employee: string, amount: number): Promise<string> }

const raised = await session.perform(
  { type: "tool", resource: "hr", operation: "raise", arguments: { employee: "E-7", amount: 5200 } },
  () => payroll.raise("E-7", 5200),
  { wait: true, onPending: ({ expiresAt }) => console.log("waits until", expiresAt) },
)

export { raised }
