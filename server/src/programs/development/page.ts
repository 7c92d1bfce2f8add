import { createHash } from "node:crypto"

/** In a framed page: what would ask a device for a signature asks the development server, and the device where that has no key. */
export const passkeyScript = `
const real = navigator.credentials.get.bind(navigator.credentials)
navigator.credentials.get = async (options) => {
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
  const { challenge, rpId } = options.publicKey
  const asked = { challenge: text(challenge), rpId }
  const answer = await fetch("/dev/passkey", { method: "POST", body: JSON.stringify(asked) }).then((each) => each.json())
  if (answer === null || answer.code !== undefined) return await real(options)
  return Object.create(PublicKeyCredential.prototype, { toJSON: { value: () => answer } })
}
`

const style = `
:root { color-scheme: light dark; --ink: #17211c; --paper: #f3f5f2; --line: #cfd6d0; --soft: #5b6a61; --card: #fff;
  --good: #14663a; --bad: #9b1c1c; --wait: #7a4d00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eeea; --paper: #101412; --line: #2c3530; --soft: #9fb0a6; --card: #171d1a;
  --good: #7fd6a4; --bad: #ff9b94; --wait: #f2c063; } }
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; display: grid; grid-template-columns: minmax(0, 1fr) 430px; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
main { padding: 20px 24px; overflow: auto; }
h1 { font-size: 20px; margin: 0 0 4px; } h2 { font-size: 15px; margin: 20px 0 6px; }
p { margin: 0 0 8px; color: var(--soft); max-width: 70ch; } code { font: 13px ui-monospace, monospace; }
ul { list-style: none; margin: 0; padding: 0; } .tiles { display: flex; flex-wrap: wrap; gap: 8px; }
.tiles li { border: 1px solid var(--line); border-radius: 8px; padding: 6px 10px; background: var(--card); }
.tiles li.stopped { border-color: var(--bad); color: var(--bad); }
table { width: 100%; border-collapse: collapse; font-size: 14px; } td { padding: 5px 8px 5px 0; border-top: 1px solid var(--line); vertical-align: top; }
td:first-child { color: var(--soft); white-space: nowrap; font: 12px/22px ui-monospace, monospace; }
.allowed, .approved { color: var(--good); } .denied, .taken { color: var(--bad); } .waits { color: var(--wait); }
aside { border-left: 1px solid var(--line); padding: 20px; display: flex; flex-direction: column; gap: 12px; min-height: 0; }
aside form { display: flex; gap: 8px; align-items: center; }
button, select { font: inherit; padding: 6px 12px; border-radius: 8px; border: 1px solid var(--line); background: var(--card); color: inherit; }
iframe { flex: 1; width: 100%; min-height: 0; max-height: 844px; border: 1px solid var(--line); border-radius: 28px; background: var(--card); }
@media (max-width: 900px) { body { grid-template-columns: 1fr; height: auto; } iframe { min-height: 640px; } aside { border-left: 0; } }
`

const script = `
const text = (id, value) => { document.getElementById(id).textContent = value }
const row = (line) => {
  const tr = document.createElement("tr")
  for (const [value, kind] of [[line.at.slice(11, 19)], [line.who], [line.what], [line.became, line.kind]]) {
    const td = document.createElement("td")
    td.textContent = value
    if (kind) td.className = kind
    tr.append(td)
  }
  tr.title = line.receipt
  return tr
}
let last = ""
const look = async () => {
  const live = await fetch("/dev/live").then((each) => each.json()).catch(() => null)
  if (live !== null && JSON.stringify(live) !== last) {
    last = JSON.stringify(live)
    text("counts", live.size + " entries · " + live.leases + " live credentials · " + live.waiting + " waiting for a person")
    document.getElementById("lines").replaceChildren(...live.lines.toReversed().map(row))
    document.getElementById("empty").hidden = live.lines.length > 0
    document.getElementById("agents").replaceChildren(...live.agents.map(({ name, state, sessions }) => {
      const li = document.createElement("li")
      li.textContent = name + " · " + (state === "active" ? sessions + (sessions === 1 ? " session" : " sessions") : "stopped")
      if (state !== "active") li.className = "stopped"
      return li
    }))
  }
  setTimeout(look, 700)
}
look()
`

const markup = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Development · Safeconduct</title><style>${style}</style></head>
<body><main><h1>What agents do</h1>
<p>Every line is an entry of the log, written before anything happened. Development only: people are signed in by a click.</p>
<p id="counts" role="status"></p>
<h2>Agents</h2><ul class="tiles" id="agents"></ul>
<h2>Lately</h2><table><tbody id="lines"></tbody></table>
<p id="empty">Nothing yet. Apply a configuration and start an agent: <code>safeconduct init &amp;&amp; safeconduct apply</code></p></main>
<aside><form method="post" action="/dev/phone" target="phone"><label for="person">Phone of</label>
<select id="person" name="person"><option value="alice">Alice</option><option value="bob">Bob</option><option value="olga">Olga</option></select>
<button>Take it</button></form>
<iframe name="phone" title="The phone"></iframe></aside>
<script type="module">${script}</script></body></html>
`

/** The page, with what it may do said in its headers. */
export function pageOf(): Response {
  const hash = (part: string) => `'sha256-${createHash("sha256").update(part).digest("base64")}'`
  const policy = [
    "default-src 'none'",
    `style-src ${hash(style)}`,
    `script-src ${hash(script)}`,
    "connect-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ]
  const headers = { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" }
  return new Response(markup, { headers: { ...headers, "content-security-policy": policy.join("; ") } })
}
