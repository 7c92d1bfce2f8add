import { createHash } from "node:crypto"

/** How every page looks: the system's own letters, light and dark, a telephone first. No script, nothing from elsewhere. */
export const style = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f3f5f2, #101412);
  --card: light-dark(#ffffff, #191f1c);
  --text: light-dark(#17211c, #e8eeea);
  --soft: light-dark(#55615b, #a5b1aa);
  --line: light-dark(#dbe1dc, #303a35);
  --edge: light-dark(#76847c, #7d8b83);
  --accent: light-dark(#17634a, #85d3ac);
  --on-accent: light-dark(#ffffff, #07241a);
  --wash: light-dark(#edf5f0, #1c2b24);
  --warn: light-dark(#8a4b00, #f0bd7c);
  --warn-wash: light-dark(#fdf4e7, #2c2418);
}
* { box-sizing: border-box; margin: 0; }
html { -webkit-text-size-adjust: 100%; }
body { background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { width: 100%; max-width: 35rem; margin: 0 auto; padding: 1rem 1.25rem 1.5rem; background: var(--card); }
header { max-width: 35rem; margin: 0 auto; padding: .75rem 1.25rem; display: flex; justify-content: space-between; gap: 1rem;
  flex-wrap: wrap; font-size: .875rem; color: var(--soft); }
header b { color: var(--text); font-weight: 650; }
h1 { font-size: 1.375rem; line-height: 1.25; font-weight: 680; letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: .8125rem; line-height: 1.4; font-weight: 650; color: var(--soft); margin: 1.5rem 0 .5rem; }
h3 { font-size: 1rem; font-weight: 650; }
p + p { margin-top: .5rem; }
.lead { margin-top: .375rem; font-size: 1.0625rem; }
.soft { color: var(--soft); font-size: .875rem; }
.who { margin-top: 1rem; padding: .75rem 1rem; border-radius: .75rem; background: var(--wash); font-size: .9375rem; }
.who p { margin-top: .375rem; }
.who dl { display: grid; grid-template-columns: auto 1fr; gap: .125rem .75rem; }
dt { color: var(--soft); }
dd { min-width: 0; }
code { font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; color: var(--soft); }
fieldset { border: 0; padding: 0; min-width: 0; }
legend { padding: 0; }
ul { list-style: none; padding: 0; }
.picks { border: 1px solid var(--line); border-radius: .75rem; }
.picks > * + * { border-top: 1px solid var(--line); }
fieldset + p { margin-top: .5rem; }
.pick { display: grid; grid-template-columns: 1.5rem 1fr; gap: .75rem; align-items: start; padding: .75rem .875rem; cursor: pointer; }
.pick input { width: 1.25rem; height: 1.25rem; margin: .125rem 0 0; accent-color: var(--accent); }
.pick li + li { margin-top: .25rem; }
.first { display: block; }
.first::first-letter { text-transform: uppercase; }
.new { display: inline-block; padding: 0 .5rem; margin-top: .25rem; border-radius: 1rem; background: var(--accent); color: var(--on-accent);
  font-size: .75rem; font-weight: 650; }
.times { display: flex; flex-wrap: wrap; gap: .5rem; }
.time { display: inline-flex; gap: .5rem; align-items: center; min-height: 2.75rem; padding: .25rem .6875rem; border: 1px solid var(--edge);
  border-radius: 2rem; cursor: pointer; }
.time input { width: 1.125rem; height: 1.125rem; margin: 0; accent-color: var(--accent); }
.time:has(:checked) { border-color: var(--accent); background: var(--wash); }
blockquote { margin: 0; padding: .75rem 1rem; border-inline-start: .25rem solid var(--edge); background: var(--page); border-radius: .25rem;
  white-space: pre-wrap; unicode-bidi: isolate; }
.warn { margin: .5rem 0 0; padding: .625rem .875rem; border-radius: .5rem; background: var(--warn-wash); color: var(--warn); font-size: .9375rem; }
.values { display: grid; grid-template-columns: auto 1fr; gap: .25rem .75rem; margin-top: .625rem; }
.notes { margin-top: 1.5rem; }
.answer { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin-top: 1.5rem; }
.button { display: inline-flex; align-items: center; justify-content: center; min-height: 3.25rem; padding: .5rem 1.25rem; border-radius: .75rem;
  border: 1.5px solid var(--edge); background: var(--card); color: var(--text); font: inherit; font-weight: 650; text-decoration: none; cursor: pointer; }
.button.yes { border-color: var(--accent); background: var(--accent); color: var(--on-accent); }
.button.small { min-height: 2.75rem; padding: .25rem 1rem; font-size: .9375rem; }
.button:hover { filter: brightness(.96); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
.list > li { padding: 1rem 0; }
.list > li:first-child { padding-top: .375rem; }
.list > li + li { border-top: 1px solid var(--line); }
.row { display: flex; justify-content: space-between; align-items: center; gap: 1rem; margin-bottom: .25rem; }
.row form { flex: none; }
.phrases { margin: .375rem 0; }
.phrases > li { padding-inline-start: .875rem; position: relative; }
.phrases > li::before { content: "–"; position: absolute; inset-inline-start: 0; color: var(--soft); }
.did { margin-top: .5rem; padding-inline-start: .875rem; border-inline-start: 2px solid var(--line); }
.compare { margin-top: 1rem; padding: .75rem 1rem 1rem; border-radius: .75rem; background: var(--wash); }
.compare h2 { margin-top: 0; }
.compared { font: 650 1.75rem/1.3 ui-monospace, "SF Mono", Menlo, Consolas, monospace; letter-spacing: .08em; white-space: nowrap; }
.notes .warn code { color: inherit; }
.choices { display: grid; gap: .75rem; margin-top: 1.25rem; }
.end { margin-top: 1.5rem; padding-top: 1.25rem; border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .75rem; }
@media (min-width: 40rem) {
  body { padding: 2rem 1rem 3rem; }
  main { padding: 2rem 2.25rem; border-radius: 1.25rem; border: 1px solid var(--line); }
  header { padding: .5rem 2.25rem 1rem; }
  h1 { font-size: 1.625rem; }
}
@media (forced-colors: active) {
  .new, .time:has(:checked) { border: 1px solid; }
}
`

/** As Content-Security-Policy names it (CSP Level 3 §2.3.1). */
export const styleSource = sourceOf(style)

/** The same of any style. */
export function sourceOf(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`
}
