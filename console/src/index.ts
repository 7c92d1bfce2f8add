/**
 * What our pages load in a browser: scripts without a framework, how they look, an icon, a manifest and a service worker. The pages
 * themselves are drawn by the server (gate/phone) and work, as far as they can, without any of it.
 *
 * Scripts decide nothing and know nothing: they sign what stands on the page, after they held it against what is to be signed.
 */
export { type Asset, assets, manifestPath, scriptPath, workerPath } from "./assets.ts"
export { phoneStyle } from "./style.ts"
