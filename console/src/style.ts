/** How cards and the inbox look, beside what all pages share: one hand, a small screen, and nothing that draws the eye but what differs. */
export const phoneStyle = `
nav.tabs { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; max-width: 35rem; margin: 0 auto; padding: 0 1.25rem .25rem; font-size: .9375rem; }
nav.tabs a { display: inline-flex; align-items: center; min-height: 2.75rem; color: var(--soft); text-decoration: none;
  border-bottom: 2px solid transparent; }
nav.tabs a[aria-current] { color: var(--text); font-weight: 650; border-color: var(--accent); }
.card .headline { font-size: 1.375rem; line-height: 1.25; font-weight: 680; color: var(--text); margin: 0; text-wrap: pretty; }
.card .part { font-size: .8125rem; line-height: 1.4; font-weight: 650; color: var(--soft); margin: .875rem 0 .25rem; }
.card p, .card dd { unicode-bidi: isolate; }
.card bdi { white-space: pre-wrap; }
.consequence { display: inline-block; margin: .375rem .25rem 0 0; padding: .125rem .5rem; border-radius: .5rem; background: var(--warn-wash);
  color: var(--warn); font-size: .875rem; font-weight: 650; }
dl.who { margin-top: .625rem; padding: .5rem .75rem; border-radius: .75rem; background: var(--wash); font-size: .9375rem; line-height: 1.4; }
dl.who > div, dl.arguments > div { display: grid; grid-template-columns: minmax(3.75rem, auto) 1fr; gap: 0 .625rem; align-items: baseline; }
dl.who > div + div { margin-top: .125rem; }
dl.who > div:has(.quote) { display: block; }
dl dt { font-size: .875rem; }
dl.arguments > div { padding: .375rem 0; grid-template-columns: minmax(5rem, 30%) 1fr; }
dl.arguments > div + div { border-top: 1px solid var(--line); }
dl.arguments dd { grid-column: 2; }
dd.value { font-weight: 600; }
dd.mark, dd.good, dd.odd { font-size: .8125rem; line-height: 1.35; color: var(--soft); }
dd.odd, .waiting .odd { color: var(--warn); font-weight: 650; }
dd.good::before { content: "✓ " / ""; }
dd.odd::before { content: "! " / ""; }
.note { margin-top: .5rem; font-size: .9375rem; }
.card .quote, .card .said { padding: .25rem .625rem; border-inline-start: .1875rem solid var(--edge); }
.of { font-size: .9375rem; line-height: 1.4; }
.of p + p { margin-top: .125rem; }
.of-agent { margin-top: 1rem; padding-bottom: .25rem; border-top: 1px dashed var(--edge); font-size: .9375rem; color: var(--soft); }
details { margin-top: .875rem; border: 1px solid var(--line); border-radius: .75rem; }
summary { min-height: 2.75rem; padding: .625rem .875rem; font-weight: 650; cursor: pointer; }
details > div { padding: 0 .875rem .875rem; }
pre { margin: .25rem 0 .75rem; padding: .625rem; border-radius: .5rem; background: var(--page); font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  white-space: pre-wrap; direction: ltr; unicode-bidi: bidi-override; }
.foot { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: 1rem; font-size: .875rem; color: var(--soft); }
.foot b { color: var(--text); font: 650 .9375rem/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; letter-spacing: .06em; }
.foot .button { flex: none; min-height: 1.5rem; padding: 0; border: 0; background: none; color: var(--accent); font: inherit; text-decoration: underline; }
.bar { position: sticky; bottom: 0; margin: .5rem -1.25rem -1.5rem; padding: .5rem 1.25rem max(.5rem, env(safe-area-inset-bottom));
  background: var(--card); border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .375rem .625rem; }
.bar .button { flex: 2 1 6rem; overflow-wrap: normal; min-height: 3.25rem; padding: .25rem .5rem; font-size: .9375rem; }
.bar .yes, .bar a.button { flex: 3 1 9rem; }
.bar .wide { flex: 1 0 100%; min-height: 2.75rem; }
.bar .plain { border-color: transparent; background: none; color: var(--warn); font-size: .9375rem; }
.bar [role="alert"], .bar .why, .bar noscript { flex: 1 0 100%; margin: 0; font-size: .8125rem; line-height: 1.35; }
.button[aria-disabled="true"], .button:disabled { background: var(--wash); border-color: var(--edge); border-style: dashed; color: var(--text); cursor: not-allowed; }
.state { margin: .75rem 0 1rem; padding: .75rem 1rem; border-radius: .75rem; background: var(--wash); }
.waiting { margin-top: .5rem; }
.waiting > li > a { display: block; position: relative; padding: .875rem 1.5rem .875rem 0; color: inherit; text-decoration: none; }
.waiting > li > a::after { content: "›" / ""; position: absolute; inset-inline-end: 0; top: .75rem; color: var(--soft); font-size: 1.25rem; }
.waiting > li + li { border-top: 1px solid var(--line); }
.waiting .what { display: block; font-weight: 650; }
.waiting .soft { display: block; }
.waiting .odd { font-size: .875rem; }
.pick.item { margin: 1.25rem -1.25rem .5rem; padding: .75rem 1.25rem; border: solid var(--line); border-width: 1px 0; background: var(--page); font-weight: 650; }
[data-bounds] label { display: grid; grid-template-columns: 1fr 7rem; align-items: center; gap: .5rem; }
[data-bounds] input { min-height: 2.75rem; padding: .25rem .5rem; border: 1px solid var(--edge); border-radius: .5rem; background: var(--card); color: var(--text); font: inherit; }
.links { display: flex; flex-wrap: wrap; gap: 0 1.25rem; margin-top: .5rem; font-size: .875rem; }
.links a { display: inline-flex; align-items: center; min-height: 2.75rem; }
.field { margin-top: 1rem; }
.field label { display: block; font-size: .875rem; color: var(--soft); }
.field input, .field select { display: block; width: 100%; min-height: 2.75rem; margin-top: .25rem; padding: .25rem .75rem; border: 1px solid var(--edge); border-radius: .5rem;
  background: var(--card); color: var(--text); font: inherit; }
[hidden] { display: none !important; }
html { scroll-padding-bottom: 9rem; }
@media (min-width: 40rem) {
  .bar { margin: 1.5rem -2.25rem -2rem; padding: 1rem 2.25rem; border-radius: 0 0 1.25rem 1.25rem; }
  nav.tabs { padding: 0 2.25rem .5rem; }
}
@media (max-height: 24rem) { .bar { position: static; } }
@media (forced-colors: active) {
  .consequence, dd.odd { border: 1px solid; }
}
`
