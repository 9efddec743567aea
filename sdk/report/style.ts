/** How a report looks: light and dark by the reader's setting, light in print, one column on narrow screens. */

/** Colours of detectors differ in lightness and in dash too, so that they hold up in print and for colour-blind readers. */
const CURVES = [
  ['#0f172a', '#f1f5f9', 'none'],
  ['#2563eb', '#6ea8fe', 'none'],
  ['#c2410c', '#fb923c', '7 3'],
  ['#047857', '#4ade80', '2 3'],
  ['#9333ea', '#c99bff', '9 3 2 3'],
  ['#be123c', '#fb7185', '4 2'],
  ['#0e7490', '#38d5ee', '12 3'],
  ['#854d0e', '#eab308', '1 2'],
  ['#57534e', '#b8b3ae', '6 2 1 2'],
] as const

const colours = (column: 0 | 1): string => CURVES.map((curve, i) => `--d${i}:${curve[column]}`).join(';')

const LIGHT = `--page:#ffffff;--panel:#f8fafc;--ink:#0f172a;--soft:#526077;--line:#e2e8f0;--grid:#eaeff5;--clean:#cbd5e1;--bar:#dbe6fb;--mark:#8fb0f0;--good:#047857;--bad:#b91c1c;--note:#fff8eb;--note-line:#f0b65a;${colours(0)}`
const DARK = `--page:#0d1320;--panel:#141c2b;--ink:#e6ebf3;--soft:#9aa8bd;--line:#27334a;--grid:#1d2739;--clean:#3d4b63;--bar:#1f3564;--mark:#4a78d0;--good:#4ade80;--bad:#fb7185;--note:#221c10;--note-line:#a87424;${colours(1)}`

export const STYLE = `:root{color-scheme:light dark;${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
@media print{:root{color-scheme:light;${LIGHT}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1120px;margin:0 auto;padding:44px 24px 72px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;margin:2px 0 0;overflow-wrap:anywhere}
h2{font-size:21px;line-height:1.3;letter-spacing:-.01em;margin:56px 0 4px;overflow-wrap:anywhere}
h3{font-size:14px;font-weight:600;margin:26px 0 8px}
p{margin:8px 0;max-width:70ch}
.eyebrow{color:var(--soft);font-size:13px;letter-spacing:.06em;text-transform:uppercase;margin:0}
.lead{font-size:18px;line-height:1.55;margin:18px 0 0;max-width:66ch}
.soft{color:var(--soft);font-size:14px}
p.soft{max-width:88ch}
.tag{font-size:12px;font-weight:500;letter-spacing:.02em;color:var(--soft);border:1px solid var(--line);border-radius:99px;padding:2px 9px;margin-left:8px;vertical-align:3px;white-space:nowrap}
.limits{background:var(--note);border-left:3px solid var(--note-line);border-radius:0 6px 6px 0;padding:12px 20px 14px;margin:28px 0 0}
.limits h2{font-size:15px;margin:0 0 4px;letter-spacing:0}
.limits ul{margin:0;padding-left:18px;font-size:14px;line-height:1.5}
.limits li{margin:4px 0;max-width:88ch}
.scroll{overflow-x:auto;margin:12px 0 0}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums lining-nums}
th,td{text-align:left;padding:7px 14px 7px 0;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:middle}
th{font-weight:500;color:var(--soft);font-size:13px;vertical-align:bottom}
thead th{border-bottom-color:var(--clean)}
tbody th{color:var(--ink);font-size:14px;font-weight:400;vertical-align:middle;white-space:normal;min-width:170px;overflow-wrap:break-word}
td.wrap{white-space:normal;min-width:226px;overflow-wrap:break-word}
th .tag{vertical-align:1px;margin-left:6px}
tbody tr.whole th,tbody tr.whole td{font-weight:600}
th.n,td.n{text-align:right}
td.n+td:not(.n),th.n+th:not(.n){padding-left:10px}
td:last-child,th:last-child{padding-right:2px}
td small{display:inline-block;color:var(--soft);font-size:12px;font-weight:400;min-width:68px;margin-left:8px;text-align:right}
.v{display:inline-block;min-width:52px}
.bar{display:inline-block;width:44px;height:6px;margin-right:10px;vertical-align:1px;border-radius:1px;background:linear-gradient(var(--mark),var(--mark)) no-repeat left/var(--v) 100%,var(--grid)}
.good{color:var(--good)}.bad{color:var(--bad)}
.key{display:inline-block;width:26px;height:10px;margin-right:8px;vertical-align:0;overflow:visible}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:12px 28px;margin:10px 0 0}
.small{grid-template-columns:repeat(auto-fill,minmax(min(100%,290px),1fr));gap:18px 26px}
svg{display:block;width:100%;height:auto;font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;font-variant-numeric:tabular-nums}
.charts>svg{max-width:520px}.charts.small>svg{max-width:360px}
.grid line{stroke:var(--grid)}
.axis line{stroke:var(--clean)}
.axis text,text.alpha,text.unit{fill:var(--soft)}
text.name{fill:var(--ink);font-size:12px;font-weight:600}
.curve{fill:none;stroke-width:1.7;stroke-linejoin:round}
.curve.d0{stroke-width:2.6}
.chance{fill:none;stroke:var(--clean);stroke-width:1}
line.alpha{stroke:var(--soft);stroke-width:1;stroke-dasharray:2 3}
path.clean{fill:var(--clean)}
.fill{fill-opacity:.16;stroke:none}
${CURVES.map(([, , dash], i) => `.curve.d${i}{stroke:var(--d${i})${dash === 'none' ? '' : `;stroke-dasharray:${dash}`}}.fill.d${i}{fill:var(--d${i})}`).join('\n')}
.curve.thin.thin{stroke-width:1.3;stroke-dasharray:none}
svg.band{width:180px;height:22px}
.band .base{stroke:var(--line)}.band .allowed{fill:var(--bar)}.band .whisker{stroke:var(--ink);stroke-width:1.5}.band .point{fill:var(--ink)}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(86px,1fr));gap:14px 12px;margin:8px 0 0;padding:0;list-style:none;font-size:12px;line-height:1.35;font-variant-numeric:tabular-nums}
.pictures img{display:block;width:86px;height:86px;object-fit:contain;background:var(--panel);border:1px solid var(--line);border-radius:4px}
.pictures img.tiny{image-rendering:pixelated}
.pictures b{display:block;font-weight:600;margin-top:5px}
.pictures span{display:block;color:var(--soft);overflow-wrap:anywhere}
footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--line)}
@media (max-width:560px){.bar{display:none}main{padding:28px 16px 48px}h1{font-size:25px}.lead{font-size:17px}h2{margin-top:44px}.pictures{grid-template-columns:repeat(auto-fill,minmax(82px,1fr))}.pictures img{width:82px;height:82px}}
@media print{@page{margin:16mm 14mm}body{font-size:12px}main{padding:0;max-width:none}h1{font-size:24px}h2{break-after:avoid;margin-top:30px}h3{break-after:avoid}.lead{font-size:14px}.charts>svg,.pictures li,tr,.limits{break-inside:avoid}.scroll{overflow:visible}.pictures{grid-template-columns:repeat(10,1fr);gap:10px 6px;font-size:9px}.pictures img{width:60px;height:60px}table,tbody th{font-size:11px}th{font-size:10px}td small{min-width:0;font-size:10px;margin-left:5px}th,td{padding:4px 8px 4px 0}.bar{display:none}.v{min-width:0}td.wrap,tbody th{min-width:0}.tag{font-size:9px;padding:1px 6px;vertical-align:1px}.soft,.limits ul{font-size:11.5px}p,p.soft,.lead,.limits li{max-width:none}.small{grid-template-columns:repeat(3,1fr)}.charts:not(.small){grid-template-columns:1fr 1fr}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}`
