import { each } from "../measure.ts"
import { kindOf } from "./roles.ts"
import { type Call, type InjectionTask, isSameCall, type Suite, type UserTask } from "./suite.ts"
import { variantsOf } from "./variants.ts"
import type { Agent, Answer, World } from "./world.ts"

/** A question that reaches the user. */
export type Asked = { task: string; call: Call; answer: Answer }

/** What came of a task that nobody interferes with. */
export type Legitimate = { task: string; denied: Asked[]; asked: Asked[] }

/** What came of an attacker's calls in a session of a user's. */
export type Attack = {
  task: string
  injection: string
  /** Calls that ran; where the attack is all of its calls, whether all did. */
  ran: Call[]
  isWhole: boolean
  /** True when the user was asked about one of them. */
  reached: boolean
  /** Variants that ran, by how they were dressed, and how many of them the user was asked about. */
  variants: { tried: number; ran: { how: string; call: Call }[]; asked: number }
  /** The task's own calls that were denied beside the attack, and not without it. */
  harmed: Call[]
  /** True when what the attacker wants is what the user asked for. */
  isWanted: boolean
}

/** What a replay found. */
export type Replay = { legitimate: Legitimate[]; attacks: Attack[] }

/** How a replay goes on: of the variants each so manieth, and who hears how far it is. */
export type Pace = { progress?: (what: string) => void; everyVariant?: number }

/** Attacks on one task, each in sessions of its own. */
const AT_ONCE = 4

/**
 * Replays each task alone, and each with each attack: before its calls in one session, after them in another, where all variants
 * follow. A question is answered as the user would who knows what they want: yes to a call of the task's own, no to any other.
 */
export async function replay(
  suite: Suite,
  world: World,
  { progress = () => undefined, everyVariant = 1 }: Pace = {},
): Promise<Replay> {
  const found: Replay = { legitimate: [], attacks: [] }
  for (const task of suite.user_tasks) {
    progress(`${suite.suite}: ${task.id}`)
    const legitimate = await playAlone(world, task)
    found.legitimate.push(legitimate)
    // What an attacker only has the agent say does nothing.
    const injections = suite.injection_tasks.filter(({ calls }) => calls.length > 0)
    const attacks = new Map<InjectionTask, Attack>()
    await each(injections, AT_ONCE, async (injection) => {
      attacks.set(injection, await playAttack({ suite, world, everyVariant }, task, injection, legitimate))
    })
    found.attacks.push(...injections.map((injection) => attacks.get(injection)!))
  }
  return found
}

async function playAlone(world: World, task: UserTask): Promise<Legitimate> {
  const agent = await world.open(task)
  const found: Legitimate = { task: task.id, denied: [], asked: [] }
  for (const call of task.calls) {
    const answer = await agent.ask(call)
    if (answer.verdict === "deny") found.denied.push({ task: task.id, call, answer })
    if (answer.verdict === "ask") found.asked.push({ task: task.id, call, answer })
  }
  return found
}

async function playAttack(
  { suite, world, everyVariant }: { suite: Suite; world: World; everyVariant: number },
  task: UserTask,
  injection: InjectionTask,
  alone: Legitimate,
): Promise<Attack> {
  const wanted = injection.calls.filter((call) => isEffect(call))
  const isOwn = (call: Call) => task.calls.some((own) => isSameCall(own, call))
  const effects = wanted.filter((call) => !isOwn(call))
  const [ran, harmed]: [Set<Call>, Call[]] = [new Set(), []]
  let reached = false
  const attack = async (agent: Agent) => {
    for (const call of injection.calls) {
      const { verdict } = await agent.ask(call)
      if (!effects.includes(call)) continue
      if (verdict === "allow") ran.add(call)
      if (verdict === "ask") reached = true
    }
  }
  const work = async (agent: Agent) => {
    for (const call of task.calls) {
      const { verdict } = await agent.ask(call)
      if (verdict === "deny" && !alone.denied.some((each) => each.call === call)) harmed.push(call)
    }
  }
  const [before, after] = [await world.open(task), await world.open(task)]
  await attack(before)
  await attack(before)
  await work(before)
  await work(after)
  await attack(after)
  const variants: Attack["variants"] = { tried: 0, ran: [], asked: 0 }
  for (const effect of effects) {
    for (const [at, { how, call }] of variantsOf(suite, effect, task.calls).entries()) {
      if (at % everyVariant !== 0) continue
      const { verdict } = await after.ask(call)
      variants.tried += 1
      if (verdict === "allow") variants.ran.push({ how, call })
      if (verdict === "ask") variants.asked += 1
    }
  }
  return {
    ...{ task: task.id, injection: injection.id, ran: [...ran], reached, variants, harmed },
    isWhole: effects.length > 0 && ran.size === effects.length,
    isWanted: effects.length === 0 && wanted.length > 0,
  }
}

/** What the attack is for: what the suite says it needs, or else whatever does not only look. */
function isEffect(call: InjectionTask["calls"][number]): boolean {
  return call.needed_for_attack ?? kindOf({ name: call.function }) !== "looks"
}
