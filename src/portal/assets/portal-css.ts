/** The one stylesheet of the portal; light and dark, from 320 px on. */
export const PORTAL_CSS = `:root {
  color-scheme: light dark;
  --bg: #f5f6f8;
  --surface: #ffffff;
  --sunken: #eef0f4;
  --text: #1a2130;
  --muted: #535d70;
  --line: #d8dde6;
  --field: #8a94a6;
  --accent: #1d5bb8;
  --button: #1d5bb8;
  --button-over: #174a97;
  --ok: #14633a;
  --ok-bg: #e3f4ea;
  --warn: #7a4d00;
  --warn-bg: #fdf1d8;
  --bad: #a5221b;
  --bad-bg: #fdeae8;
  --shadow: 0 1px 2px rgb(20 30 50 / 6%), 0 2px 8px rgb(20 30 50 / 5%);
  --mono: ui-monospace, "SFMono-Regular", "Cascadia Mono", "Liberation Mono", Menlo, monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #10141b;
    --surface: #181e28;
    --sunken: #11161e;
    --text: #e5e9f0;
    --muted: #a5afbf;
    --line: #2d3644;
    --field: #6d7889;
    --accent: #8bb8ff;
    --button: #2b68c6;
    --button-over: #3a78d8;
    --ok: #7fdba6;
    --ok-bg: #12301f;
    --warn: #f2c66d;
    --warn-bg: #33270c;
    --bad: #ffa69f;
    --bad-bg: #3a1715;
    --shadow: none;
  }
}
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0;
  min-height: 100vh;
  display: flex;
  flex-direction: column;
  background: var(--bg);
  color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1, h2, h3 { line-height: 1.25; margin: 0; text-wrap: balance; }
h1 { font-size: 1.625rem; letter-spacing: -.01em; }
h2 { font-size: 1.125rem; }
h3 { font-size: 1rem; }
p, ul, ol, dl, pre { margin: 0; }
a { color: var(--accent); text-underline-offset: .15em; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
main:focus { outline: none; }
time { white-space: nowrap; }
code, pre, .mono { font-family: var(--mono); font-size: .875em; }
.quiet { color: var(--muted); }
.far { color: var(--muted); white-space: nowrap; }
.hidden {
  position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
  clip-path: inset(50%); white-space: nowrap;
}
.skip { position: absolute; left: 1rem; top: -4rem; z-index: 2; padding: .5rem 1rem; background: var(--surface); }
.skip:focus { top: .5rem; }

.top { background: var(--surface); border-bottom: 1px solid var(--line); }
.bar, main, .foot > p { width: 100%; max-width: 68rem; margin: 0 auto; padding-inline: 1.25rem; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 0 1.5rem; min-height: 3.75rem; }
.brand {
  display: inline-flex; align-items: center; gap: .6rem; padding: .5rem 0;
  color: var(--text); font-weight: 650; text-decoration: none; letter-spacing: -.01em;
}
.bar nav { flex: 1; }
.bar nav ul { display: flex; flex-wrap: wrap; gap: 0 .25rem; list-style: none; padding: 0; }
.bar nav a {
  display: block; padding: 1.05rem .75rem .9rem; color: var(--muted); text-decoration: none; font-size: .9375rem;
  border-bottom: 3px solid transparent;
}
.bar nav a:hover { color: var(--text); }
.bar nav a[aria-current] { color: var(--text); font-weight: 600; border-color: var(--accent); }
.who { display: flex; align-items: center; gap: .75rem; font-size: .9375rem; }
.who b { font-weight: 600; overflow-wrap: anywhere; }

main { flex: 1; padding-block: 2rem 3rem; display: flex; flex-direction: column; gap: 1.25rem; }
body.narrow main { max-width: 34rem; }
body.wide :is(.bar, main, .foot > p) { max-width: 84rem; }
.head { display: flex; flex-direction: column; gap: .35rem; }
.foot { border-top: 1px solid var(--line); color: var(--muted); font-size: .875rem; }
.foot > p { padding-block: 1rem; }

.card {
  background: var(--surface); border: 1px solid var(--line); border-radius: 10px; box-shadow: var(--shadow);
  padding: 1.25rem 1.5rem 1.5rem; display: flex; flex-direction: column; gap: 1rem; min-width: 0;
}
.card > * { min-width: 0; }
.facts { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .55rem 1.5rem; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.tags { display: flex; flex-wrap: wrap; gap: .35rem; list-style: none; padding: 0; }
.tag {
  display: inline-block; padding: .05rem .55rem; border-radius: 6px; background: var(--sunken);
  border: 1px solid var(--line); font-size: .875rem; overflow-wrap: anywhere;
}
.state { display: inline-block; padding: .1rem .6rem; border-radius: 99px; font-size: .8125rem; font-weight: 600; white-space: nowrap; }
.state.ok { color: var(--ok); background: var(--ok-bg); }
.state.warn { color: var(--warn); background: var(--warn-bg); }
.state.bad { color: var(--bad); background: var(--bad-bg); }
.state.none { color: var(--muted); background: var(--sunken); }
.note { padding: .8rem 1rem; border-radius: 8px; border-left: 4px solid; background: var(--sunken); }
.note.ok { color: var(--ok); background: var(--ok-bg); }
.note.warn { color: var(--warn); background: var(--warn-bg); }
.note.bad { color: var(--bad); background: var(--bad-bg); }
.note a { color: inherit; }

table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
caption { text-align: left; }
th { text-align: left; font-weight: 600; color: var(--muted); font-size: .8125rem; padding: 0 1rem .5rem 0; white-space: nowrap; }
td { padding: .7rem 1rem .7rem 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: break-word; }
td b, td code { overflow-wrap: anywhere; }
tr:last-child > td { padding-bottom: 0; }
th:last-child, td:last-child { padding-right: 0; }
td.act { text-align: right; width: 1%; white-space: nowrap; }
td .far { display: block; font-size: .875rem; }
td meter { width: 100%; min-width: 6rem; height: .75rem; }

form { display: flex; flex-direction: column; gap: 1.1rem; align-items: flex-start; }
form.find { flex-direction: row; flex-wrap: wrap; gap: .75rem; align-items: center; }
form.find input { width: 18rem; max-width: 100%; }
.inline { display: contents; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
.row form { display: block; }
.field { display: flex; flex-direction: column; gap: .3rem; width: 100%; max-width: 28rem; }
.field > label, legend { font-weight: 600; padding: 0; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-direction: column; gap: .45rem; min-width: 0; }
legend { margin-bottom: .4rem; }
.hint { color: var(--muted); font-size: .875rem; }
.wrong { color: var(--bad); font-size: .9375rem; font-weight: 600; }
.check { display: grid; grid-template-columns: 1.15rem 1fr; gap: 0 .6rem; align-items: start; }
.check input { width: 1.05rem; height: 1.05rem; margin: .25rem 0 0; accent-color: var(--button); }
.check .hint { grid-column: 2; }
input[type="text"], input[type="password"], input[type="search"], select {
  font: inherit; color: var(--text); background: var(--surface); width: 100%; min-height: 2.6rem; padding: .45rem .7rem;
  border: 1px solid var(--field); border-radius: 7px;
}
input[aria-invalid="true"], select[aria-invalid="true"] { border: 2px solid var(--bad); }
input.code { font: 600 1.375rem/1.4 var(--mono); letter-spacing: .12em; text-transform: uppercase; max-width: 14rem; }
button, .button {
  display: inline-flex; align-items: center; justify-content: center; min-height: 2.6rem; padding: .45rem 1.1rem;
  font: inherit; font-weight: 600; text-decoration: none; cursor: pointer; text-align: center;
  border: 1px solid var(--field); border-radius: 7px; background: var(--surface); color: var(--text);
}
button:hover, .button:hover { border-color: var(--text); }
.primary { background: var(--button); border-color: var(--button); color: #fff; }
.primary:hover { background: var(--button-over); border-color: var(--button-over); }
.danger { color: var(--bad); border-color: currentcolor; }
.danger:hover { background: var(--bad-bg); border-color: currentcolor; }
.small { min-height: 2.1rem; padding: .2rem .75rem; font-size: .875rem; }
.full { width: 100%; }
.providers { display: flex; flex-direction: column; gap: .7rem; list-style: none; padding: 0; }

details.ask { display: inline-block; text-align: left; }
details.ask > summary { list-style: none; }
details.ask > summary::-webkit-details-marker { display: none; }
details.ask[open] { display: block; }
details.ask[open] > summary { border-color: var(--text); }
details.ask > div { display: flex; flex-direction: column; gap: .6rem; margin-top: .6rem; max-width: 17rem; white-space: normal; }
summary { cursor: pointer; }

.copied { display: flex; flex-direction: column; gap: .5rem; }
.copied > .row { justify-content: space-between; }
pre, .secret {
  background: var(--sunken); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem; overflow-x: auto;
  line-height: 1.6; tab-size: 2;
}
.secret { display: block; overflow-wrap: anywhere; font-family: var(--mono); font-size: .9375rem; }
.big { font: 700 1.75rem/1.2 var(--mono); letter-spacing: .1em; }

@media (min-width: 44.01rem) {
  td.act details.ask { position: relative; display: inline-block; }
  td.act details.ask > div {
    position: absolute; right: 0; top: 100%; z-index: 1; width: 17rem; margin-top: .4rem; padding: .9rem 1rem 1rem;
    background: var(--surface); border: 1px solid var(--field); border-radius: 8px; box-shadow: 0 6px 20px rgb(0 0 0 / 18%);
  }
}
@media (max-width: 52rem) {
  body { font-size: 1rem; }
  main { padding-block: 1.25rem 2rem; }
  .bar, main, .foot > p { padding-inline: 1rem; }
  .bar { padding-top: .35rem; }
  .brand { flex: 1; }
  .who { order: 2; }
  .bar nav { order: 3; flex: 0 0 calc(100% + 1.2rem); margin-inline: -.6rem; }
  .bar nav ul { padding-bottom: .35rem; }
  .bar nav a { padding: .45rem .6rem .3rem; }
}
@media (max-width: 44rem) {
  .card { padding: 1rem; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dt { font-size: .875rem; }
  .facts dd { margin-bottom: .8rem; }
  .facts dd:last-child { margin-bottom: 0; }
  table, tbody, tr, td { display: block; width: auto; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { border: 1px solid var(--line); border-radius: 8px; padding: .4rem .9rem; }
  tr + tr { margin-top: .75rem; }
  td { display: grid; grid-template-columns: 6.5rem minmax(0, 1fr); gap: .25rem .75rem; padding: .4rem 0; border: 0; }
  td::before { content: attr(data-label); color: var(--muted); font-size: .875rem; }
  tr:last-child > td { padding-bottom: .4rem; }
  td.act { display: block; width: auto; text-align: left; white-space: normal; }
  td.act::before { content: none; }
  td .far { display: inline; }
  details.ask > div { max-width: none; }
}
@media (prefers-reduced-motion: no-preference) {
  a, button, .button, summary { transition: background-color .12s, border-color .12s, color .12s; }
}
@media (forced-colors: active) {
  .bar nav a[aria-current], .state, .note { border: 1px solid; }
}
`;
