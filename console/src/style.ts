/** How cards and the inbox look, beside what all pages share: one hand, a small screen, and nothing that draws the eye but what differs. */
export const phoneStyle = `
nav.tabs { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; max-width: 35rem; margin: 0 auto; padding: 0 1.25rem .25rem; font-size: .9375rem; }
nav.tabs a { display: inline-flex; align-items: center; min-height: 2.75rem; color: var(--soft); text-decoration: none;
  border-bottom: 2px solid transparent; }
nav.tabs a[aria-current] { color: var(--text); font-weight: 650; border-color: var(--accent); }
.card { margin-top: .25rem; }
.card + .card { margin-top: 1.5rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
.card h1, .card h2.headline { font-size: 1.375rem; line-height: 1.25; font-weight: 680; color: var(--text); margin: 0; text-wrap: pretty; }
.card h2.part { margin: 1rem 0 .25rem; }
.lines { display: grid; gap: .25rem; }
.line { unicode-bidi: isolate; }
.line bdi { unicode-bidi: isolate; }
.consequence { display: inline-block; margin-top: .5rem; padding: .25rem .625rem; border-radius: .5rem; background: var(--warn-wash);
  color: var(--warn); font-size: .9375rem; font-weight: 650; }
.consequence + .consequence { margin-inline-start: .375rem; }
.argument { padding: .375rem 0; }
.argument + .argument { border-top: 1px solid var(--line); }
.argument .label, .label { color: var(--soft); font-size: .875rem; }
.argument .value { font-weight: 600; white-space: pre-wrap; }
.mark { font-size: .875rem; color: var(--soft); }
.mark.odd { color: var(--warn); font-weight: 650; }
.mark.good::before { content: "✓ " / ""; }
.mark.odd::before { content: "! " / ""; }
.quote { padding: .5rem .75rem; border-inline-start: .25rem solid var(--edge); background: var(--page); border-radius: .25rem; }
.said { margin-top: 1rem; padding-top: .25rem; border-top: 1px dashed var(--edge); font-size: .9375rem; }
.said .quote { color: var(--soft); }
details { margin-top: 1rem; border: 1px solid var(--line); border-radius: .75rem; }
summary { min-height: 2.75rem; padding: .625rem .875rem; font-weight: 650; cursor: pointer; }
details > div { padding: 0 .875rem .875rem; }
details dl { display: grid; gap: .125rem; font-size: .875rem; }
details dd { margin-bottom: .5rem; font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .8125rem; }
pre { margin: .25rem 0 .75rem; padding: .625rem; border-radius: .5rem; background: var(--page); font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  white-space: pre-wrap; direction: ltr; unicode-bidi: bidi-override; }
.foot { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: 1rem; font-size: .875rem; color: var(--soft); }
.foot b { color: var(--text); font: 650 .9375rem/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; letter-spacing: .06em; }
.bar { position: sticky; bottom: 0; margin: 1.25rem -1.25rem -1.5rem; padding: .75rem 1.25rem max(.75rem, env(safe-area-inset-bottom));
  background: var(--card); border-top: 1px solid var(--line); display: grid; grid-template-columns: 1fr 1fr; gap: .625rem; }
.bar .button { width: 100%; min-height: 3.25rem; padding: .5rem .75rem; }
.bar .wide { grid-column: 1 / -1; min-height: 2.75rem; }
.bar .plain { border-color: transparent; background: none; color: var(--warn); font-size: .9375rem; }
.bar [role="alert"], .bar .why { grid-column: 1 / -1; margin: 0; font-size: .875rem; }
.button[aria-disabled="true"], .button:disabled { background: var(--wash); border-color: var(--edge); border-style: dashed; color: var(--text); cursor: not-allowed; }
.state { margin-top: .75rem; padding: .75rem 1rem; border-radius: .75rem; background: var(--wash); }
.waiting > li > a { display: block; padding: .875rem 0; color: inherit; text-decoration: none; }
.waiting > li + li { border-top: 1px solid var(--line); }
.waiting .what { display: block; font-weight: 650; }
.waiting .soft { display: block; }
.waiting .odd { color: var(--warn); font-weight: 650; font-size: .875rem; }
.pick.item { border: 1px solid var(--edge); border-radius: .75rem; margin-bottom: .5rem; }
.bound { display: grid; grid-template-columns: 1fr 7rem; align-items: center; gap: .5rem; margin-top: .5rem; }
.bound input { min-height: 2.75rem; padding: .25rem .5rem; border: 1px solid var(--edge); border-radius: .5rem; background: var(--card); color: var(--text); font: inherit; }
.link { border: 0; background: none; padding: .625rem 0; min-height: 2.75rem; color: var(--accent); font: inherit; font-size: .875rem; text-decoration: underline; cursor: pointer; }
.links { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: 1rem; font-size: .875rem; }
.links a { display: inline-flex; align-items: center; min-height: 2.75rem; }
.field { margin-top: 1rem; }
.field label { display: block; font-size: .875rem; color: var(--soft); }
.field input { width: 100%; min-height: 2.75rem; margin-top: .25rem; padding: .25rem .75rem; border: 1px solid var(--edge); border-radius: .5rem;
  background: var(--card); color: var(--text); font: inherit; }
[hidden] { display: none !important; }
html { scroll-padding-bottom: 9rem; }
@media (min-width: 40rem) {
  .bar { margin: 1.5rem -2.25rem -2rem; padding: 1rem 2.25rem; border-radius: 0 0 1.25rem 1.25rem; }
  nav.tabs { padding: 0 2.25rem .5rem; }
}
@media (max-height: 24rem) { .bar { position: static; } }
@media (forced-colors: active) {
  .consequence, .mark.odd { border: 1px solid; }
}
`
