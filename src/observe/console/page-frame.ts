/** The fixed part of the page; the script fills in the elements with an id. */
export function pageFrame(style: string, script: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Heddle</title>
<link rel="icon" href="${favicon}">
<style>${style}</style>
</head>
<body class="starting">
<a class="skip" href="#services">Skip to the services</a>
<header class="top">
  <div class="brand">
    ${logo}
    <h1>Heddle</h1>
    <span id="ready" class="badge">…</span>
    <span id="awaiting" class="awaiting" hidden></span>
  </div>
  <p class="connection" role="status"><span class="pulse" aria-hidden="true"></span><span id="connection">Connecting</span></p>
  <dl class="facts">
    <div><dt>Version</dt><dd id="version">–</dd></div>
    <div><dt>Up</dt><dd id="uptime">–</dd></div>
    <div><dt>Workers</dt><dd id="workers">–</dd></div>
    <div><dt>Configuration</dt><dd id="config-version">–</dd></div>
    <div><dt>Data path</dt><dd id="tier">–</dd></div>
    <div><dt>Process</dt><dd id="pid">–</dd></div>
  </dl>
</header>
<main>
  <section class="figures-row" aria-label="The last seconds">
    <div class="figure wide"><h2>Requests/s</h2><p id="total-rate" class="value">–</p><div id="total-trend"></div></div>
    <div class="figure"><h2>Errors</h2><p id="total-errors" class="value">–</p></div>
    <div class="figure"><h2>p50</h2><p id="total-p50" class="value">–</p></div>
    <div class="figure"><h2>p99</h2><p id="total-p99" class="value">–</p></div>
    <div class="figure"><h2>In flight</h2><p id="total-active" class="value">–</p></div>
    <div class="figure"><h2>Healthy endpoints</h2><p id="total-healthy" class="value">–</p></div>
  </section>
  <section id="problems" class="panel" hidden>
    <h2>Problems of the configuration</h2>
    <ul id="problem-list" class="problems"></ul>
  </section>
  <section class="panel mesh">
    <div class="title">
      <h2>Mesh</h2>
      <ul class="legend" aria-label="Legend">
        <li>${legendMark('healthy', '<circle r="4.5"/>')}healthy</li>
        <li>${legendMark('unhealthy', '<path class="cross" d="M-4-4L4 4M-4 4L4-4"/>')}unhealthy</li>
        <li>${legendMark('ejected', '<path d="M0-5.5L5.5 0 0 5.5-5.5 0Z"/>')}ejected</li>
        <li>${legendMark('draining', '<circle class="hollow" r="4"/>')}draining</li>
      </ul>
    </div>
    <div id="mesh-frame">
      <svg id="mesh-svg" role="img" aria-label="Picture of the mesh" width="100%"><g data-part="edges"></g><g data-part="nodes"></g></svg>
      <p id="mesh-empty" class="empty" hidden>Nothing is woven yet. <code>heddle up -f DIRECTORY</code> reads Services, Gateways and HTTPRoutes, and they appear here.</p>
    </div>
    <button id="show-all" type="button" class="quiet-button" hidden></button>
  </section>
  <section id="services" class="panel" tabindex="-1">
    <div class="title">
      <h2>Services <span id="service-count" class="total"></span></h2>
      <input id="filter" type="search" placeholder="Filter by name, address or state" aria-label="Filter services" autocomplete="off" spellcheck="false">
    </div>
    <table id="service-table" class="services">
      <caption class="unseen">Services with their endpoints and rates</caption>
      <thead><tr><th scope="col">Service</th><th scope="col">Endpoints</th><th scope="col" class="number">Req/s</th><th scope="col" class="number">Errors</th><th scope="col" class="number">p50</th><th scope="col" class="number">p99</th><th scope="col" class="trend">Last minute</th><th scope="col" class="address">Address</th></tr></thead>
    </table>
    <p id="no-services" class="empty"></p>
  </section>
  <div class="columns">
    <section class="panel">
      <div class="title"><h2>Routes <span id="route-count" class="total"></span></h2></div>
      <div id="route-list"></div>
      <p id="no-routes" class="empty" hidden>There are no HTTPRoutes. Services reach each other by their own addresses.</p>
    </section>
    <section class="panel">
      <div class="title"><h2>Gateways <span id="gateway-count" class="total"></span></h2></div>
      <div id="gateway-list"></div>
      <p id="no-gateways" class="empty" hidden>There is no Gateway: nothing comes in from outside.</p>
    </section>
  </div>
  <section id="policies" class="panel" hidden>
    <div class="title"><h2>Network policies <span id="policy-count" class="total"></span></h2></div>
    <div id="policy-list"></div>
  </section>
</main>
<noscript><p class="empty">This page needs JavaScript. <code>heddle status</code> shows the same.</p></noscript>
<script>${script}</script>
</body>
</html>
`
}

/** Warp threads that pass the eyes of a heddle. */
const logo = `<svg class="logo" viewBox="0 0 32 32" width="30" height="30" aria-hidden="true"><path d="M8 3v8m0 10v8M16 3v3m0 10v13M24 3v8m0 10v8" /><ellipse cx="8" cy="16" rx="2.6" ry="5" /><ellipse cx="16" cy="11" rx="2.6" ry="5" /><ellipse cx="24" cy="16" rx="2.6" ry="5" /><path class="weft" d="M2 16C5 16 6 16 8 16S13 11 16 11 21 16 24 16 28 16 30 16" /></svg>`

const favicon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' fill='none' stroke='%234a54c4' stroke-width='2.6' stroke-linecap='round'%3E%3Cpath d='M8 3v8m0 10v8M16 3v3m0 10v13M24 3v8m0 10v8'/%3E%3Cellipse cx='8' cy='16' rx='2.6' ry='5'/%3E%3Cellipse cx='16' cy='11' rx='2.6' ry='5'/%3E%3Cellipse cx='24' cy='16' rx='2.6' ry='5'/%3E%3C/svg%3E"

function legendMark(state: string, shape: string): string {
  return `<svg class="icon" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true"><g class="mark ${state}">${shape}</g></svg>`
}
