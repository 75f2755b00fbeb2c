/** The style of the status page: quiet paper and ink, colour only where it says something. */
export const pageStyle: string = `
:root {
  color-scheme: light dark;
  --ground: #f5f5f1; --panel: #ffffff; --line: #e5e4de; --thread: #cfcec6; --ink: #1d2126; --muted: #666b72;
  --accent: #4a54c4; --accent-soft: #e9eafa; --good: #1b7a4b; --warn: #8f5f00; --bad: #bf2d27;
  --good-soft: #e3f3ea; --warn-soft: #faf0d7; --bad-soft: #fbe7e5; --shadow: 0 1px 2px rgb(20 20 40 / 5%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1215; --panel: #161a1f; --line: #272d34; --thread: #3a424b; --ink: #e4e7ea; --muted: #98a1ab;
    --accent: #98a2ff; --accent-soft: #232846; --good: #52c78d; --warn: #e0b252; --bad: #ff7f76;
    --good-soft: #15291f; --warn-soft: #2d2513; --bad-soft: #341a1a; --shadow: none;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body {
  margin: 0; padding: 20px clamp(12px, 3vw, 36px) 48px; background: var(--ground); color: var(--ink);
  font: 14px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; font-variant-numeric: tabular-nums;
}
h1, h2, h3, p, dl, dd, ul, ol { margin: 0; padding: 0; }
ul, ol { list-style: none; }
h1 { font-size: 19px; font-weight: 650; letter-spacing: -.01em; }
h2 { font-size: 15px; font-weight: 620; }
h3 { font-size: 14px; font-weight: 600; overflow-wrap: anywhere; }
code { font: 12.5px/1.5 ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
button, input { font: inherit; color: inherit; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 8px; background: var(--panel); padding: 6px 10px; z-index: 2; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.muted, .why { color: var(--muted); }
.strong { font-weight: 600; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
main { max-width: 1360px; margin: 0 auto; display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; transition: opacity .4s; }
.stale main { opacity: .45; }

.top { max-width: 1360px; margin: 0 auto 18px; display: flex; flex-wrap: wrap; align-items: center; gap: 10px 28px; }
.brand { display: flex; align-items: center; gap: 10px; flex-wrap: wrap; }
.logo { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linecap: round; }
.logo .weft { stroke: var(--muted); stroke-width: 1.4; }
.badge { padding: 1px 10px; border-radius: 20px; font-size: 12.5px; font-weight: 600; background: var(--line); }
.badge.good { background: var(--good-soft); } .badge.warn { background: var(--warn-soft); }
.awaiting { color: var(--warn); font-size: 13px; }
.connection { display: flex; align-items: center; gap: 7px; font-size: 13px; color: var(--muted); }
.pulse { width: 8px; height: 8px; border-radius: 50%; background: var(--thread); }
.live .pulse { background: var(--good); animation: pulse 2.4s ease-in-out infinite; }
.stale .pulse { background: var(--bad); } .stale .connection { color: var(--bad); font-weight: 600; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 22px; margin-left: auto; font-size: 13px; }
.facts div { display: flex; gap: 6px; } .facts dt { color: var(--muted); }

.figures-row {
  display: grid; grid-template-columns: 2.2fr repeat(5, 1fr); background: var(--panel); border: 1px solid var(--line);
  border-radius: 12px; box-shadow: var(--shadow); overflow: hidden;
}
.figure { padding: 14px 18px; border-left: 1px solid var(--line); position: relative; min-width: 0; }
.figure:first-child { border-left: 0; }
.figure h2 { font-size: 12.5px; font-weight: 500; color: var(--muted); white-space: nowrap; }
.value { font-size: 23px; font-weight: 620; letter-spacing: -.02em; line-height: 1.3; white-space: nowrap; }
#total-trend { position: absolute; right: 16px; bottom: 14px; width: 50%; }
#total-trend .spark { width: 100%; height: 40px; }
.spark { display: block; } svg.spark { overflow: visible; }
.spark .curve { fill: none; stroke: var(--accent); stroke-width: 1.5; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.spark .area { fill: var(--accent-soft); stroke: none; opacity: .75; }
.spark.quiet .curve { stroke: var(--thread); } .spark.quiet .area { fill: none; }

.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 12px; padding: 16px 18px; box-shadow: var(--shadow); min-width: 0; }
.title { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 8px 20px; margin-bottom: 12px; }
.total { color: var(--muted); font-weight: 450; margin-left: 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 14px; font-size: 12.5px; color: var(--muted); }
.legend li { display: flex; align-items: center; gap: 5px; }
.empty { color: var(--muted); padding: 18px 0 12px; text-align: center; }
.icon { flex: none; overflow: visible; }
.mark { fill: var(--good); } .mark .hollow { fill: none; stroke: var(--muted); stroke-width: 2; }
.mark.unhealthy { stroke: var(--bad); stroke-width: 2.4; stroke-linecap: round; fill: none; }
.mark.none { stroke: var(--muted); stroke-width: 2; stroke-linecap: round; fill: none; }
.mark.ejected { fill: var(--warn); }

#mesh-svg { display: block; width: 100%; font-size: 12.5px; }
.node { transition: transform .5s ease; }
.node rect { fill: var(--ground); stroke: var(--line); transition: stroke .4s, fill .4s; }
.node.entry rect { fill: var(--accent-soft); stroke: none; }
.node.service rect { stroke: var(--thread); }
.node.service.unhealthy rect { stroke: var(--bad); fill: var(--bad-soft); }
/* A Service without endpoints may be there only for its routes to others. */
.node.service.none rect { stroke-dasharray: 4 3; }
.node.service.ejected rect { stroke: var(--warn); fill: var(--warn-soft); }
.node text { fill: var(--ink); } .node .name { font-weight: 580; }
.node .below, .node .rate { fill: var(--muted); font-size: 11.5px; }
.node.endpoint .name { font-weight: 400; }
.edge path { fill: none; }
.edge .line { stroke: var(--thread); transition: stroke .5s, stroke-width .8s, opacity .5s; opacity: .75; }
.edge.active .line { stroke: var(--accent); opacity: .3; }
.edge.active.warn .line { stroke: var(--warn); opacity: .45; } .edge.active.bad .line { stroke: var(--bad); opacity: .5; }
.edge .flow { opacity: 0; stroke: var(--accent); stroke-width: 1.8; stroke-linecap: round; stroke-dasharray: 1 13; transition: opacity .6s; }
.edge.active .flow { opacity: .85; animation: flow 3s linear infinite; }
.edge.active.warn .flow { stroke: var(--warn); } .edge.active.bad .flow { stroke: var(--bad); }
.edge .rate { fill: var(--muted); font-size: 11px; paint-order: stroke; stroke: var(--panel); stroke-width: 4px; stroke-linejoin: round; }
@keyframes flow { to { stroke-dashoffset: -56; } }
@keyframes pulse { 50% { opacity: .35; } }
@media (prefers-reduced-motion: reduce) { *, .edge.active .flow, .live .pulse { animation: none !important; transition: none !important; } }
.quiet-button { display: block; margin: 10px auto 0; padding: 5px 14px; border: 1px solid var(--line); border-radius: 8px; background: none; color: var(--accent); cursor: pointer; }
.quiet-button:hover { background: var(--accent-soft); }

#filter { width: min(280px, 100%); padding: 6px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--ground); }
#filter::placeholder { color: var(--muted); opacity: 1; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; padding: 7px 10px; font-weight: 400; vertical-align: middle; }
th.number, td.number { text-align: right; white-space: nowrap; }
thead th { font-size: 12.5px; color: var(--muted); border-bottom: 1px solid var(--line); white-space: nowrap; }
.services > tbody + tbody > tr.service > * { border-top: 1px solid var(--line); }
.services > * > tr > th:first-child { padding-left: 4px; }
.trend { padding-left: 22px; width: 150px; }
td.address { color: var(--muted); white-space: nowrap; }
.fold { display: flex; align-items: baseline; gap: 8px; flex-wrap: wrap; border: 0; background: none; padding: 3px 4px; cursor: pointer; text-align: left; }
.fold::before { content: ""; width: 6px; height: 6px; border: solid var(--muted); border-width: 0 1.5px 1.5px 0; transform: rotate(-45deg) translateY(-2px); transition: transform .2s; margin-right: 2px; }
.fold[aria-expanded="true"]::before { transform: rotate(45deg) translateY(-3px); }
.fold:hover .service-name { color: var(--accent); }
.service-name { font-weight: 600; overflow-wrap: anywhere; } .fold .muted { font-size: 12.5px; }
.number.good, .value.good { color: inherit; } td.number.good { color: var(--muted); }
td.dots { white-space: nowrap; } .dots .icon { margin-right: 1px; vertical-align: -2px; }
.count { margin-left: 7px; color: var(--muted); font-size: 12.5px; } .count.off { color: var(--warn); font-weight: 600; }
.details > td { padding: 2px 10px 14px 26px; }
.policy { color: var(--muted); font-size: 13px; margin-bottom: 6px; }
.inner { background: var(--ground); border-radius: 8px; font-size: 13px; }
.inner th, .inner td { padding: 5px 12px; } .inner tbody tr + tr > * { border-top: 1px solid var(--line); }
.state .icon { margin-right: 6px; vertical-align: -2px; }

.columns { display: grid; grid-template-columns: minmax(0, 1.7fr) minmax(0, 1fr); gap: 16px; align-items: start; }
.kind { color: var(--muted); font-weight: 450; margin-right: 7px; }
.route + .route, .gateway + .gateway { border-top: 1px solid var(--line); margin-top: 14px; padding-top: 14px; }
.route header, .gateway header { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; }
.route h3 { flex: 1 1 200px; } .route header .spark { width: 90px; height: 20px; }
.figures { display: flex; gap: 14px; font-size: 13px; color: var(--muted); } .figures .strong { color: var(--ink); }
.figures .good { color: var(--muted); }
.where { display: flex; flex-wrap: wrap; gap: 5px; align-items: center; margin: 7px 0 9px; font-size: 12.5px; }
.chip { background: var(--ground); border: 1px solid var(--line); border-radius: 6px; padding: 0 7px; overflow-wrap: anywhere; }
.rules > li { border-left: 2px solid var(--line); padding: 3px 0 3px 12px; margin-top: 7px; display: grid; gap: 3px; }
.matches { display: flex; flex-wrap: wrap; gap: 3px 8px; align-items: baseline; }
.filters { color: var(--muted); font-size: 12.5px; } .filters li::before { content: "→ "; }
.backends { display: grid; gap: 3px; font-size: 13px; }
.backends li { display: flex; flex-wrap: wrap; align-items: center; gap: 3px 9px; overflow-wrap: anywhere; }
.bar { width: 84px; height: 6px; border-radius: 3px; background: var(--line); overflow: hidden; }
.bar > span { display: block; height: 100%; border-radius: 3px; background: var(--accent); }
.share { min-width: 40px; text-align: right; }
.listeners > li { margin-top: 10px; padding-left: 12px; border-left: 2px solid var(--line); }
.listeners p { display: flex; flex-wrap: wrap; gap: 2px 10px; }
.conditions { display: flex; flex-wrap: wrap; gap: 4px 6px; margin-top: 5px; }
.condition { font-size: 12px; border-radius: 6px; padding: 0 8px; display: flex; flex-wrap: wrap; gap: 0 8px; }
.condition.good { background: var(--good-soft); } .condition.warn { background: var(--warn-soft); } .condition.bad { background: var(--bad-soft); padding: 2px 8px; }
.condition .why { color: inherit; }
.problems { margin-top: 10px; display: grid; gap: 8px; }
.problem { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 10px; padding: 8px 12px; border-radius: 8px; color: var(--ink); }
.problem.bad { background: var(--bad-soft); } .problem.warn { background: var(--warn-soft); }
.severity { font-size: 12px; font-weight: 650; min-width: 58px; } .bad .severity { color: var(--bad); } .warn .severity { color: var(--warn); }
.problem .message { flex: 1 1 300px; overflow-wrap: anywhere; }
.position { display: flex; flex-wrap: wrap; gap: 2px 10px; font-size: 12.5px; }

@media (max-width: 1000px) { .columns { grid-template-columns: minmax(0, 1fr); } .facts { margin-left: 0; width: 100%; } }
@media (max-width: 860px) {
  .figures-row { grid-template-columns: repeat(5, 1fr); }
  .figure.wide { grid-column: 1 / -1; border-bottom: 1px solid var(--line); }
  .figure.wide + .figure { border-left: 0; }
}
@media (max-width: 640px) {
  body { padding-top: 14px; }
  .figures-row { grid-template-columns: repeat(6, 1fr); }
  .figure { grid-column: span 2; padding: 11px 14px; } .figure:nth-child(5), .figure:nth-child(6) { grid-column: span 3; border-top: 1px solid var(--line); }
  .figure:nth-child(5) { border-left: 0; }
  .value { font-size: 19px; } .figure.wide .value { font-size: 25px; }
  .panel { padding: 14px; }
  #filter { width: 100%; }
  .services > thead, .inner thead { display: none; }
  .services > tbody, .services > tbody > tr, .inner, .inner tbody { display: block; }
  .services > tbody > tr.service { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 2px 8px; padding: 9px 0; align-items: center; }
  .services > tbody + tbody > tr.service { border-top: 1px solid var(--line); }
  .services > tbody > tr.service > * { border: 0 !important; padding: 0; }
  .services > tbody > tr.service > th { grid-column: 1 / 4; }
  .service > td.dots { text-align: right; justify-self: end; }
  .service > td.address, .service > td.trend { display: none; }
  .service > td.number { text-align: left; }
  .service > td.number::before, .inner td::before { content: attr(data-label); display: block; font-size: 11.5px; font-weight: 400; color: var(--muted); }
  .details > td { display: block; padding: 2px 0 12px; }
  .inner tbody tr { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); padding: 8px 12px; gap: 4px 8px; }
  .inner th, .inner td { padding: 0; border: 0 !important; text-align: left !important; overflow-wrap: anywhere; }
  .inner tbody tr + tr { border-top: 1px solid var(--line); } .inner th { grid-column: 1 / -1; font-weight: 600; }
}
`
