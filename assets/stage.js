// The stage: cards with live pictures, built once and then changed in place. wdviz/ui/stage.py describes the payload.

let maps; // the module that draws decision maps; it comes with the first call
const stages = new WeakMap(); // host element -> stage
const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "reset", scrollZoom: false, showTips: false };
const ARM_TEXT = {
  light: { "#d55e00": "#9a4400", "#0072b2": "#00507d", "#009e73": "#00664b", "#cc79a7": "#8a3a68" },
  dark: { "#d55e00": "#ff9a57", "#0072b2": "#6cb8ea", "#009e73": "#3fcf9f", "#cc79a7": "#e6a3c8" },
};
const pen = document.createElement("canvas").getContext("2d");
const coarse = matchMedia("(pointer: coarse)");

/** Called by Streamlit on each change of data or theme. */
export default async function (component, urls, mapModule) {
  maps = mapModule;
  const host = component.parentElement;
  let stage = stages.get(host);
  if (!stage) stages.set(host, (stage = newStage(host, urls)));
  stage.component = component;
  stage.pending = decode(component.data);
  if (!stage.busy) run(stage);
  // Streamlit also runs this clean-up after a call that a newer one overtook: only a host that has left the page is taken down.
  return () => setTimeout(() => host.isConnected || tearDown(host));
}

// --- loading and payload ---------------------------------------------------------------------------------------------------------

const once = {};
const load = (url, make) => (once[url] ||= new Promise((resolve, reject) => {
  const element = make(url);
  element.onload = resolve;
  element.onerror = () => { delete once[url]; element.remove(); reject(new Error(`could not load ${url}`)); };
  document.head.append(element);
}));
const loadStyle = (url) => load(url, (href) => Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
const loadScript = (url) => load(url, (src) => Object.assign(document.createElement("script"), { src, async: true }));

function decode(data) {
  const bytes = data.slice(); // a copy that starts at 0: typed arrays need aligned offsets
  const length = new DataView(bytes.buffer).getUint32(0, true);
  const start = Math.ceil((4 + length) / 8) * 8;
  const types = { f4: Float32Array, f8: Float64Array, i4: Int32Array, u2: Uint16Array, u1: Uint8Array };
  const array = ([offset, count, type, shape]) => fold(new types[type](bytes.buffer, start + offset, count), shape);
  const header = new TextDecoder().decode(bytes.subarray(4, 4 + length));
  return JSON.parse(header, (_, value) => (value && value.$a ? array(value.$a) : value));
}

/** A flat array as rows, rows of rows and so on. */
function fold(flat, shape) {
  if (shape.length < 2) return flat;
  const size = flat.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) => fold(flat.subarray(i * size, (i + 1) * size), shape.slice(1)));
}

// --- a stage and its updates -----------------------------------------------------------------------------------------------------

function make(tag, className, parent, properties = {}) {
  const element = Object.assign(document.createElement(tag), { className }, properties);
  parent?.append(element);
  return element;
}

function newStage(host, urls) {
  const root = make("div", "wd-stage", null);
  const status = make("div", "wd-status", root, { role: "status", ariaLive: "polite" });
  const grid = make("div", "wd-grid", root);
  root.dataset.updates = 0;
  return { host, root, status, grid, urls, cards: new Map(), updates: 0, pending: null, busy: false };
}

function tearDown(host) {
  const stage = stages.get(host);
  stages.delete(host);
  for (const card of stage?.cards.values() ?? []) removeCard(card);
  stage?.root.remove();
}

/** Paints until no payload is left. One that is overtaken before its figures are drawn is dropped. */
async function run(stage) {
  stage.busy = true;
  const style = loadStyle(new URL(stage.urls.css, location.origin).href).catch(console.error);
  try {
    await style;
    if (!stage.root.isConnected) stage.host.append(stage.root);
    while (stage.pending) await paint(stage);
  } finally {
    stage.busy = false; // at once when the loop ends, so that no call falls between
  }
}

async function paint(stage) {
  const started = performance.now();
  const payload = stage.pending;
  stage.pending = null;
  stage.theme = readTheme(stage.root);
  updateText(stage, payload);
  for (const card of stage.cards.values()) sketch(card, stage.theme);
  await nextFrame(); // the maps are seen before the figures take the processor
  announce(stage, "wd:sketched", { result: payload.result });
  if (!window.Plotly) await loadScript(new URL(stage.urls.plotly, location.origin).href).catch(console.error);
  if (!window.Plotly) stage.status.textContent = "The figures could not be loaded. Please reload the page.";
  if (!window.Plotly || stage.pending) return;
  await Promise.all([...stage.cards.values()].map((card) => draw(card, stage.theme)));
  await nextFrame();
  finish(stage, payload, performance.now() - started);
}

const announce = (stage, name, detail) => stage.root.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));

// A hidden tab has no frames, so do not wait for ever.
const nextFrame = () => new Promise((resolve) => { requestAnimationFrame(resolve); setTimeout(resolve, 250); });

function finish(stage, payload, ms) {
  stage.updates += 1;
  Object.assign(stage.root.dataset, { updates: stage.updates, result: payload.result, status: payload.status });
  if (payload.more && !stage.pending) stage.component.setTriggerValue("more", stage.updates);
  announce(stage, "wd:painted", { updates: stage.updates, result: payload.result, ms });
}

function updateText(stage, payload) {
  setText(stage.status, payload.status);
  const names = new Set(payload.panels.map((panel) => panel.name));
  for (const [name, card] of stage.cards) if (!names.has(name)) { removeCard(card); stage.cards.delete(name); }
  const medium = mediumSpans(payload.panels);
  payload.panels.forEach((panel, i) => {
    let card = stage.cards.get(panel.name);
    if (!card) stage.cards.set(panel.name, (card = newCard(stage)));
    if (stage.grid.children[i] !== card.root) stage.grid.insertBefore(card.root, stage.grid.children[i] ?? null);
    updateCard(card, panel, medium[i]);
  });
}

/** Spans at a middling width: small cards in pairs, the first of an odd run on its own row. */
function mediumSpans(panels) {
  const spans = panels.map((panel) => (panel.span > 6 ? 12 : 6));
  for (let i = 0, end; i < panels.length; i = end) {
    for (end = i; end < panels.length && spans[end] === 6; ) end += 1;
    if ((end - i) % 2) spans[lonely(panels, i, end)] = 12;
    end = Math.max(end, i + 1);
  }
  return spans;
}

const lonely = (panels, from, to) => {
  for (let i = from; i < to; i += 1) if (panels[i].span < 6) return (i - from) % 2 ? from : i;
  return to - 1;
};

// --- a card ----------------------------------------------------------------------------------------------------------------------

function newCard(stage) {
  const root = make("section", "wd-card", null);
  const head = make("div", "wd-head", root);
  const card = { root, picked: "", toggled: null, title: make("h3", "wd-title", head), note: make("span", "wd-note", head) };
  card.tag = make("span", "wd-tag", head);
  card.controls = make("div", "wd-controls", head);
  const pick = make("label", "", card.controls);
  card.select = make("select", "", pick);
  card.toggle = make("label", "", card.controls);
  card.check = make("input", "", card.toggle, { type: "checkbox" });
  card.toggleText = make("span", "", card.toggle);
  card.stats = make("dl", "wd-stats", root);
  card.figure = make("div", "wd-figure", root, { role: "img" });
  card.canvas = make("canvas", "wd-map", card.figure, { hidden: true });
  card.plot = make("div", "wd-plot", card.figure);
  const foot = make("div", "wd-foot", root);
  card.summary = make("p", "wd-summary", foot);
  card.csv = make("button", "wd-csv", foot, { type: "button", textContent: "CSV" });
  const redraw = () => { showView(card); if (window.Plotly) draw(card, stage.theme); };
  card.select.onchange = () => { card.picked = card.select.value; redraw(); };
  card.check.onchange = () => { card.toggled = card.check.checked; redraw(); };
  card.csv.onclick = () => downloadCsv(card);
  card.observer = new ResizeObserver(() => fit(card));
  card.observer.observe(card.figure);
  return card;
}

function removeCard(card) {
  card.observer.disconnect();
  if (card.drawn) window.Plotly.purge(card.plot);
  card.root.remove();
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function updateCard(card, panel, mediumSpan) {
  card.panel = panel;
  card.root.dataset.tone = panel.tone;
  card.root.dataset.panel = panel.name;
  card.root.style.setProperty("--wd-span", panel.span);
  card.root.style.setProperty("--wd-span-medium", mediumSpan);
  card.figure.style.height = `${panel.height}px`;
  setText(card.title, panel.title);
  setText(card.note, panel.note);
  setText(card.tag, panel.tag);
  setText(card.toggleText, panel.toggle);
  updateStats(card.stats, panel.stats);
  updateControls(card, panel);
  showView(card);
}

function updateStats(list, stats) {
  while (list.children.length > stats.length) list.lastChild.remove();
  stats.forEach((stat, i) => {
    const row = list.children[i] ?? make("div", "", list);
    if (!row.children.length) {
      make("dt", "", row);
      const cell = make("dd", "", row);
      make("span", "wd-value", cell);
      make("span", "wd-spread", cell);
    }
    const [term, cell] = row.children;
    setText(term, stat.label);
    setText(cell.children[0], stat.value);
    setText(cell.children[1], stat.spread);
  });
}

function updateControls(card, panel) {
  const labels = panel.views.map((view) => view.label);
  if (!labels.includes(card.picked)) card.picked = labels[0];
  const { select } = card;
  if ([...select.options].map((option) => option.value).join("\n") !== labels.join("\n")) {
    select.replaceChildren(...labels.map((label) => new Option(label, label)));
  }
  select.value = card.picked;
  select.ariaLabel = `${panel.title}: which picture`;
  select.parentElement.hidden = labels.length < 2;
  card.toggle.hidden = !panel.toggle;
  card.controls.hidden = labels.length < 2 && !panel.toggle;
  card.csv.ariaLabel = `Download the data of ${panel.title} as CSV`;
}

const currentView = (card) => card.panel.views.find((view) => view.label === card.picked);

function showView(card) {
  const view = currentView(card);
  setText(card.summary, view.summary);
  card.figure.ariaLabel = view.summary;
  card.check.checked = card.toggled ?? view.layout.yaxis?.type === "log";
}

// --- figures ---------------------------------------------------------------------------------------------------------------------

/** Draws the picked view unless exactly this is on the screen already. */
const isMap = (trace) => trace.meta?.kind === "decision";

/** The decision map alone, before the figures: it needs no library, and it is the picture one came for. */
function sketch(card, theme) {
  const view = currentView(card);
  const map = view.data.find(isMap);
  const key = [view.sig, theme.key].join("|");
  if (card.sketched === key) return;
  card.sketched = key;
  card.map = map ? maps.paint(map, theme, rgb) : null;
  card.canvas.hidden = !map;
  if (!map || card.drawn) return maps.place(card);
  const axes = maps.expectedAxes(card.figure, themedLayout(view, theme, card, map));
  maps.place(card, axes);
  maps.dots(card.canvas, axes, view.data);
}

async function draw(card, theme) {
  const view = currentView(card);
  const key = [view.label, view.sig, theme.key, card.toggled, card.panel.height, coarse.matches].join("|");
  if (card.drawn === key) return;
  const isNew = !card.drawn;
  card.drawn = key;
  sketch(card, theme);
  const map = view.data.find(isMap);
  const traces = view.data.filter((trace) => !isMap(trace)).map((trace) => scaleTrace(themed(trace, theme), theme.scale));
  try {
    await window.Plotly.react(card.plot, traces, themedLayout(view, theme, card, map), CONFIG);
  } catch (error) {
    console.error(`panel ${card.panel.name}`, error);
  }
  if (isNew) for (const event of ["plotly_afterplot", "plotly_relayouting"]) card.plot.on?.(event, () => maps.place(card));
  maps.place(card);
}

/** Follows the width of the card. */
function fit(card) {
  const width = card.figure.clientWidth;
  const drawn = card.plot._fullLayout?.width;
  if (drawn && width && Math.abs(drawn - width) > 0.5) window.Plotly.Plots.resize(card.plot);
}

function readTheme(root) {
  const style = getComputedStyle(root);
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const [r, g, b] = rgb(read("--st-background-color", "#ffffff"));
  const dark = 0.299 * r + 0.587 * g + 0.114 * b < 128;
  root.dataset.theme = dark ? "dark" : "light";
  const theme = {
    ink: read("--st-text-color", dark ? "#e8eaed" : "#20242c"),
    mute: dark ? "#a9b1bd" : "#5d6570",
    grid: dark ? "#333943" : "#e9e8e3",
    paper: dark ? "#1e222a" : "#ffffff",
    pale: dark ? "#14171d" : "#fdfcfa",
    font: read("--st-font", "system-ui, sans-serif"),
    scale: parseFloat(read("--wd-scale", "1")) || 1,
    arms: ARM_TEXT[dark ? "dark" : "light"],
  };
  theme.tokens = { ...theme, without: theme.arms["#d55e00"], with: theme.arms["#0072b2"] };
  theme.key = JSON.stringify([dark, theme.ink, theme.font, theme.scale]);
  return theme;
}

function rgb(colour) {
  pen.fillStyle = "#000";
  pen.fillStyle = colour;
  const text = pen.fillStyle; // "#rrggbb" or "rgba(r, g, b, a)"
  return text[0] === "#" ? [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)) : text.match(/[\d.]+/g).slice(0, 3).map(Number);
}

/** A copy with colour tokens replaced, and arms' colours in text made dark or light enough to read. */
function themed(value, theme, inText = false) {
  if (typeof value === "string") {
    const token = value.startsWith("var(--") && theme.tokens[value.slice(6, -1)];
    return token || (inText && theme.arms[value.toLowerCase()]) || value;
  }
  if (Array.isArray(value)) return value.map((item) => (item && item.buffer ? item : themed(item, theme, inText)));
  if (!value || typeof value !== "object" || value.buffer) return value;
  const entries = Object.entries(value).map(([name, item]) => [name, themed(item, theme, inText || /font$/.test(name))]);
  return Object.fromEntries(entries);
}

function scaleTrace(trace, scale) {
  for (const [part, size] of [["line", "width"], ["marker", "size"]]) {
    if (scale !== 1 && typeof trace[part]?.[size] === "number") trace[part][size] *= scale;
  }
  return trace;
}

function themedLayout(view, theme, card, map) {
  const layout = themed(view.layout, theme);
  const font = { family: theme.font, size: 13 * theme.scale, color: theme.mute };
  const axis = { gridcolor: theme.grid, zerolinecolor: theme.grid, linecolor: theme.grid, tickcolor: theme.grid, zerolinewidth: 1 };
  if (map) Object.assign(axis, { showgrid: false, zeroline: false });
  const axes = new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))]);
  for (const name of axes) {
    const given = layout[name] ?? {};
    layout[name] = { ...axis, ...given, title: { standoff: 7, ...given.title, font: { size: font.size, ...given.title?.font } } };
  }
  if (map) holdRanges(layout, map);
  if (card.panel.toggle && card.toggled !== null) setLog(layout.yaxis, card.toggled);
  for (const name of axes) wholeDecades(layout[name]);
  return {
    ...layout,
    autosize: true,
    width: undefined,
    height: card.panel.height,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { ...font, ...layout.font },
    margin: { l: 50, r: 12, t: 8, b: 42, ...layout.margin },
    hoverlabel: { bgcolor: theme.paper, bordercolor: theme.mute, font: { ...font, color: theme.ink }, ...layout.hoverlabel },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", bgcolor: "rgba(0,0,0,0)", ...layout.legend },
    dragmode: coarse.matches ? false : (layout.dragmode ?? "zoom"), // a finger scrolls the page
    uirevision: layout.uirevision ?? view.label, // a zoom outlives an update
  };
}

/** Ranges from the map's first to its last pixel centre, unless the figure has its own. */
function holdRanges(layout, map) {
  layout.xaxis.range ??= [map.x0, map.x0 + map.dx * (map.z[0].length - 1)];
  layout.yaxis.range ??= [map.y0, map.y0 + map.dy * (map.z.length - 1)];
}

function setLog(axis, log) {
  if (log !== (axis.type === "log") && axis.range) {
    axis.range = Array.from(axis.range, (end) => (log ? Math.log10(Math.max(end, 0.5)) : 10 ** end));
    if (!log && axis.range[0] <= 1) axis.range[0] = 0;
  }
  axis.type = log ? "log" : "linear";
  axis.uirevision = axis.type;
}

/** Labels at powers of ten only, where a log axis spans enough of them. */
function wholeDecades(axis) {
  if (axis.type !== "log" || axis.tickvals || axis.nticks || !axis.range) return;
  if (axis.range[1] - axis.range[0] > 1.5) axis.dtick ??= 1;
}

// --- CSV -------------------------------------------------------------------------------------------------------------------------

function downloadCsv(card) {
  const view = currentView(card);
  const rows = view.data.flatMap((trace, i) => traceRows(trace, trace.name ?? `trace ${i + 1}`));
  const columns = ["trace", "x", "y", "value", "margin"].slice(0, Math.max(3, ...rows.map((row) => row.length)));
  const cell = (value) => {
    const text = String(value ?? "");
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns, ...rows].map((row) => row.map(cell).join(","));
  const link = make("a", "", null, { download: `${card.panel.name}-${view.label}.csv`.replace(/[^\w.-]+/g, "-").toLowerCase() });
  link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function traceRows(trace, name) {
  const along = (given, start = 0, step = 1) => (k) => (given ? given[k] : start + step * k);
  const [x, y] = [along(trace.x, trace.x0, trace.dx), along(trace.y, trace.y0, trace.dy)];
  if (!trace.z) return Array.from({ length: (trace.y ?? trace.x ?? []).length }, (_, k) => [name, x(k), y(k)]);
  const { kind, names = [] } = trace.meta ?? {};
  const value = (z) => (kind === "decision" ? [names[z >> 8] ?? z >> 8, (z & 255) / 255] : [z]);
  return trace.z.flatMap((row, j) => Array.from(row, (z, i) => [name, x(i), y(j), ...value(z)]));
}
