import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import process from "node:process"

/** A process as one may recognise it later: ids are used again, a pair of id and start is not. */
export type ProcessIdentity = { pid: number; start: string }

/** This process. */
export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, start: startOf(process.pid) ?? "" }
}

/** True while that very process lives; a zombie, or another process under the same id, does not count. */
export function isRunning({ pid, start }: ProcessIdentity): boolean {
  return pid > 0 && startOf(pid) === start
}

/** When a process started, as text to compare and not to read; null when there is no such process. */
export function startOf(pid: number): string | null {
  if (process.platform !== "linux") return ps(pid, "lstart=")
  try {
    // proc(5): the name may hold spaces and brackets; after the last bracket come state (3rd field) … start time (22nd).
    const text = readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    const isZombie = fields[0] === "Z" || fields[0] === "X"
    return isZombie ? null : `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()} ${fields[19]}`
  } catch {
    return null
  }
}

/** A process's user id and command line; null when there is no such process. */
export function describeProcess(pid: number): { uid: number; command: string } | null {
  if (process.platform === "linux") {
    try {
      const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
      return { uid: Number(uid), command: readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ") }
    } catch {
      return null
    }
  }
  const text = ps(pid, "uid=,command=")
  const match = /^\s*(-?\d+)\s+(.*)$/s.exec(text ?? "")
  return match === null ? null : { uid: Number(match[1]), command: match[2]! }
}

function ps(pid: number, columns: string): string | null {
  try {
    const text = execFileSync("ps", ["-o", columns, "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    })
    return text.trim() === "" ? null : text.trim()
  } catch {
    return null
  }
}
