import type { EngineKind } from "../engine.ts"
import { postgres } from "./postgres/index.ts"

/** Every kind of resource that a credential can be made for. A new one is a folder here and a line below. */
export const engines: readonly EngineKind[] = [postgres]
