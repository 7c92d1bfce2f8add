import type { EngineKind } from "../engine.ts"
import { postgres } from "./postgres/index.ts"
import { tools } from "./tools/index.ts"

/** Every kind of resource. A new one is a folder here and a line below. */
export const engines: readonly EngineKind[] = [postgres, tools]
