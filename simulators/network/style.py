"""The report's colours and sizes; both schemes keep WCAG AA contrast."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--ink:#1b2230;--soft:#4d5668;--paper:#fbfbf9;--card:#fff;--rule:#d9dce3;
--c0:#1f5fbf;--c1:#b4460f;--c2:#1d7a46;--c3:#7a3fa8;--good:#146c37;--bad:#a81e1e;--off:#4d5668}
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf2;--soft:#aab3c5;--paper:#12161e;--card:#1a202b;--rule:#384152;
--c0:#7fb2ff;--c1:#ffa46b;--c2:#6fd69b;--c3:#cfa3f5;--good:#7fdca3;--bad:#ff9d9d;--off:#aab3c5}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 16px 64px;display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:16px}
h1,.lead,.answer,section:has(.wide),section:not(:has(figure)){grid-column:1/-1}
h1{margin:8px 0 0;font-size:2rem;line-height:1.2}
h2{margin:0 0 4px;font-size:1.15rem}
.lead{margin:0;color:var(--soft)}
section{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:16px}
section p{margin:0 0 8px;color:var(--soft)}
.answer ul{margin:0;padding-left:20px}.answer li{margin:4px 0;font-size:1.05rem}
figure{margin:0}svg{display:block;width:100%;height:auto}
.grid{stroke:var(--rule);stroke-width:1;fill:none}.zero{stroke:var(--soft);stroke-width:1.5}
.tick{fill:var(--soft);font-size:13px}.name{fill:var(--soft);font-size:13px}.value{fill:var(--ink);font-size:12px;text-anchor:middle}
.line{fill:none;stroke-width:2.5}.band{stroke:none;opacity:.18}.dot{stroke:none}
.line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1);stroke-dasharray:7 4}.line.c2{stroke:var(--c2);stroke-dasharray:2 4}.line.c3{stroke:var(--c3)}
.c0.band,.c0.dot{fill:var(--c0)}.c1.band,.c1.dot{fill:var(--c1)}.c2.band,.c2.dot{fill:var(--c2)}.c3.band,.c3.dot{fill:var(--c3)}
.bar{fill:var(--c0)}.whisker{stroke:var(--ink);stroke-width:2;fill:none}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.9rem;margin-bottom:4px}
.key::before{content:"";display:inline-block;width:22px;border-top:3px solid var(--c0);vertical-align:middle;margin-right:6px}
.k1::before{border-top:3px dashed var(--c1)}.k2::before{border-top:3px dotted var(--c2)}.k3::before{border-color:var(--c3)}
details{margin-top:8px}summary{cursor:pointer;color:var(--soft);font-size:.9rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;padding:4px 10px;border-bottom:1px solid var(--rule);vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}
.pass{color:var(--good);font-weight:600}.fail{color:var(--bad);font-weight:700}.not-checked{color:var(--off)}
code{font-size:.85rem}
"""
