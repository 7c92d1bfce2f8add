import { type FSWatcher, watch } from "node:fs"
import type { Log } from "#kernel"

/** Editors write in several steps. */
const SETTLE_MS = 150

/** Folders in which a change of a YAML, JSON or Cedar file calls back, once it has settled. */
export interface FolderWatch extends Disposable {
  /** Watches exactly these from now on. */
  keep(folders: ReadonlySet<string>): void
}

/**
 * Watches no folder yet. Folders, because editors put a new file in the old one's place; and only the ones named, because
 * what lies below them may be a whole project with its dependencies, or a database.
 */
export function watchFolders(onChange: () => void, log: Log): FolderWatch {
  const watched = new Map<string, FSWatcher>()
  let timer: NodeJS.Timeout | undefined
  const notice = (name: string | null) => {
    if (name !== null && !/\.(ya?ml|json|cedar|cedarschema)$/.test(name)) return
    clearTimeout(timer)
    timer = setTimeout(onChange, SETTLE_MS)
  }
  const forget = (folder: string) => {
    watched.get(folder)?.close()
    watched.delete(folder)
  }
  const add = (folder: string) => {
    try {
      const watcher = watch(folder, (_event, name) => notice(name))
      watcher.on("error", (error) => {
        log.warn("a folder is no longer watched", { folder, error })
        forget(folder)
      })
      watched.set(folder, watcher)
    } catch (error) {
      log.warn("a folder cannot be watched", { folder, error })
    }
  }
  return {
    keep(folders) {
      for (const folder of watched.keys()) if (!folders.has(folder)) forget(folder)
      for (const folder of folders) if (!watched.has(folder)) add(folder)
    },
    [Symbol.dispose]() {
      clearTimeout(timer)
      for (const folder of watched.keys()) forget(folder)
    },
  }
}
