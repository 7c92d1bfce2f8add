import assert from "node:assert/strict"
import { test } from "node:test"
import { drawn, type TreeSession } from "./tree.ts"

const session = (id: string, parent: string | null, more: Partial<TreeSession> = {}): TreeSession => ({
  ...{ id, agent: `agent-of-${id}`, parent, state: "open", endReason: null, user: null },
  ...more,
})

test("each session stands beneath the one that handed it on, whatever the order they come in", () => {
  const sessions = [
    session("b", "a"),
    session("d", "b"),
    session("a", null, { user: { id: "user_1" } }),
    session("c", "a", { state: "ended", endReason: "parent-ended" }),
    session("e", "b"),
    session("x", "not-here", { state: "ended", endReason: "ended" }),
  ]
  assert.deepEqual(
    drawn(sessions).map(({ agent, state }) => `${agent} ${state}`),
    [
      "agent-of-a open",
      "├─ agent-of-b open",
      "│  ├─ agent-of-d open",
      "│  └─ agent-of-e open",
      "└─ agent-of-c ended (parent-ended)",
      "agent-of-x ended",
    ],
  )
  assert.equal(drawn(sessions)[0]!["user"], "user_1")
  assert.deepEqual(drawn([]), [])
})
