"""The style sheet of the report: one column that a phone can read, light and dark by the reader's own setting, fit for printing."""

from __future__ import annotations

STYLE = """
:root { --ink: #1b1f24; --soft: #5b636c; --paper: #ffffff; --card: #f6f8fa; --line: #d8dee4; --accent: #2f6fdb; --good: #1a7f5a;
  --bad: #c4432b; --warn: #9a6700; --bar: #7aa7ee; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa3ad; --paper: #0f1318; --card: #171c23; --line: #343b44;
  --accent: #6ea8ff; --good: #4cc38a; --bad: #ff7b66; --warn: #e3b341; --bar: #3f6fb8; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0 auto; padding: 1.2rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "PingFang SC", "Noto Sans CJK SC", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .2rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .7rem; padding-bottom: .25rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .5rem; } h4 { font-size: .92rem; margin: 1.1rem 0 .3rem; color: var(--soft); font-weight: 600; }
p { margin: .4rem 0; } a { color: var(--accent); text-decoration: none; } a:hover, a:focus { text-decoration: underline; }
code, pre, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: .86em; }
.soft { color: var(--soft); } .small { font-size: .86rem; } .good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .8rem 0; font-size: .92rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem; margin: 1rem 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.25rem; line-height: 1.25; font-variant-numeric: tabular-nums; } .tile span { color: var(--soft); font-size: .82rem; }
.scroll { overflow-x: auto; margin: .5rem 0; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-size: .88rem; min-width: min(100%, 20rem); }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; white-space: nowrap; } td { overflow-wrap: break-word; }
th.n, td.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.t { min-width: 13rem; max-width: 34rem; white-space: pre-wrap; } tr.sum td { font-weight: 600; }
.funnel { margin: .7rem 0; } .funnel > p { margin: 0; display: flex; justify-content: space-between; gap: 1rem; }
.stack { display: flex; height: .85rem; border-radius: 3px; overflow: hidden; background: var(--card); border: 1px solid var(--line); }
.stack i { display: block; min-width: 1px; } .stack .kept { background: var(--bar); } .stack .gone { background: var(--bad); opacity: .75; }
.stack .gone + .gone { border-left: 1px solid var(--paper); } .reasons { font-size: .84rem; color: var(--soft); }
details { border: 1px solid var(--line); border-radius: 8px; margin: .6rem 0; background: var(--paper); }
summary { cursor: pointer; padding: .55rem .8rem; display: flex; flex-wrap: wrap; gap: .1rem .7rem; align-items: baseline; }
summary::before { content: "▸"; color: var(--soft); } details[open] > summary::before { content: "▾"; }
summary::-webkit-details-marker { display: none; } summary b { font-size: 1rem; } summary .end { margin-left: auto; }
details > div { padding: 0 .8rem .8rem; }
.badge { font-size: .75rem; border: 1px solid currentColor; border-radius: 99px; padding: 0 .5rem; color: var(--soft); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem; align-items: start; }
.plots figure { margin: 0; } figcaption { font-size: .86rem; color: var(--soft); margin-bottom: .2rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); gap: 1rem 1.5rem; }
.column { min-width: 0; } .column > p { margin: 0; } .hist { display: block; width: 100%; height: auto; font-size: 10px; }
.hist .after { fill: var(--bar); } .hist .before { fill: none; stroke: var(--soft); stroke-width: 1; } .hist text { fill: var(--soft); }
.class { display: grid; grid-template-columns: minmax(3rem, 7rem) 1fr auto; gap: 0 .5rem; font-size: .82rem; align-items: center; }
.class { max-width: 34rem; } .class span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.class i { display: block; height: .6rem; background: var(--bar); border-radius: 2px; }
.class em { font-style: normal; color: var(--soft); font-variant-numeric: tabular-nums; }
.share { display: block; width: 6rem; height: .6rem; background: var(--card); } .share i { display: block; height: 100%; background: var(--bar); }
blockquote { margin: .4rem 0; white-space: pre-wrap; } mark { background: var(--accent); color: var(--paper); border-radius: 2px; }
.error { border-left: 3px solid var(--bad); padding: .1rem 0 .1rem .7rem; margin: .7rem 0; } .error blockquote { margin: .2rem 0; white-space: pre-wrap; }
.graph { display: block; width: 100%; max-width: 40rem; height: auto; font-size: 12px; }
.graph .edge { fill: none; stroke: var(--line); stroke-width: 2; } .graph .dot { fill: var(--accent); } .graph .name { fill: var(--ink); font-weight: 600; }
.graph .kind { fill: var(--soft); font-size: 10.5px; } .graph .rows { fill: var(--soft); font-size: 10.5px; } .graph .size { fill: var(--bar); opacity: .28; }
.graph a:hover .name { fill: var(--accent); }
.interval { display: block; width: 7rem; height: .8rem; } .interval line { stroke: var(--line); stroke-width: 2; }
.interval .span { stroke: var(--accent); stroke-width: 4; }
.interval circle { fill: var(--ink); }
footer { margin-top: 3rem; color: var(--soft); font-size: .84rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media print { body { max-width: none; font-size: 11pt; } nav { display: none; } details > div { display: block; } }
"""
