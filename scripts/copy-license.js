// Puts the licence beside a package's manifest, where npm pack takes it from. Run by a package's prepack, in its folder.
import { copyFileSync } from "node:fs"

copyFileSync("../LICENSE", "LICENSE")
