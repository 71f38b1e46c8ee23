// Colours and sizes of the page's theme, and figures in them.

const ARM_TEXT = {
  light: { "#d55e00": "#9a4400", "#0072b2": "#00507d", "#009e73": "#00664b", "#cc79a7": "#8a3a68" },
  contrast: { "#d55e00": "#7a3300", "#0072b2": "#003a5c", "#009e73": "#00452f", "#cc79a7": "#5f2347" },
  dark: { "#d55e00": "#ff9a57", "#0072b2": "#6cb8ea", "#009e73": "#3fcf9f", "#cc79a7": "#e6a3c8" },
};
const PAPERS = {
  light: { ink: "#20242c", mute: "#5d6570", grid: "#e9e8e3", paper: "#ffffff", pale: "#fdfcfa" },
  dark: { ink: "#e8eaed", mute: "#a9b1bd", grid: "#333943", paper: "#1e222a", pale: "#14171d" },
  contrast: { ink: "#000000", mute: "#000000", grid: "#b5b5b5", paper: "#ffffff", pale: "#ffffff" },
};
const CONTRAST_LINES = 1.4; // a projector washes thin lines out
const NUMBER = /^(<b>)?[\d.,¼½]+( ?%)?(<\/b>)?$/; // a label that may be left out: its neighbours say what it is
const TAGS = /<[^>]*>/g;
const [DIGIT, APART] = [0.62, 6]; // width of a digit in units of its size, and pixels between two labels
const NARROW = 300; // pixels of a plot that three names of its legend do not fit in a row
const BAR = 55; // pixels that a key to colours takes beside the plot
const pen = document.createElement("canvas").getContext("2d");

/** The theme that the page has now; marks the stage with it. */
export function readTheme(root, contrast) {
  const style = getComputedStyle(root);
  const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
  const [r, g, b] = rgb(read("--st-background-color", "#ffffff"));
  const dark = !contrast && 0.299 * r + 0.587 * g + 0.114 * b < 128;
  const kind = contrast ? "contrast" : dark ? "dark" : "light";
  if (root.dataset.theme !== kind) root.dataset.theme = kind;
  const theme = {
    ...PAPERS[kind],
    font: read("--st-font", "system-ui, sans-serif"),
    scale: parseFloat(read("--wd-scale", "1")) || 1,
    arms: ARM_TEXT[kind],
  };
  if (!contrast) theme.ink = read("--st-text-color", theme.ink);
  theme.lines = theme.scale * (contrast ? CONTRAST_LINES : 1);
  theme.tokens = { ...theme, without: theme.arms["#d55e00"], with: theme.arms["#0072b2"] };
  theme.key = [kind, theme.ink, theme.font, theme.scale].join();
  return theme;
}

export function rgb(colour) {
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
  if (Array.isArray(value)) return value.map((item) => themed(item, theme, inText));
  if (!value || typeof value !== "object" || value.buffer) return value;
  const entries = Object.entries(value).map(([name, item]) => [name, themed(item, theme, inText || name.endsWith("font"))]);
  return Object.fromEntries(entries);
}

export function themedTrace(trace, theme) {
  const copy = themed(trace, theme);
  for (const [name, value] of Object.entries(copy)) if (value?.shape?.length === 2) copy[name] = rowsOf(value);
  for (const [part, size] of [["line", "width"], ["marker", "size"]]) {
    if (theme.lines !== 1 && typeof copy[part]?.[size] === "number") copy[part][size] *= theme.lines;
  }
  const { colorbar } = copy;
  for (const font of [colorbar?.tickfont, colorbar?.title?.font]) if (font?.size) font.size *= theme.scale;
  return copy;
}

/** plotly.js takes a matrix as a list of its rows. */
function rowsOf(matrix) {
  const [count, width] = matrix.shape;
  return Array.from({ length: count }, (_, k) => matrix.subarray(k * width, (k + 1) * width));
}

/** A figure's layout on a card so wide: `map` is its decision map if it has one, `log` whether a toggle asks for a log axis (null: no toggle). */
export function themedLayout(figure, theme, { label, width, height, map, log, still }) {
  const layout = themed({ ...figure.layout, annotations: figure.annotations }, theme);
  const font = { family: theme.font, size: 13 * theme.scale, color: theme.mute };
  const axis = { gridcolor: theme.grid, zerolinecolor: theme.grid, linecolor: theme.grid, tickcolor: theme.grid, zerolinewidth: 1 };
  if (map) Object.assign(axis, { showgrid: false, zeroline: false });
  const axes = new Set(["xaxis", "yaxis", ...Object.keys(layout).filter((name) => /^[xy]axis\d*$/.test(name))]);
  for (const name of axes) {
    const given = layout[name] ?? {};
    if (given.tickfont?.size) given.tickfont.size *= theme.scale;
    layout[name] = { ...axis, ...given, title: { standoff: 7, ...given.title, font: { size: font.size, ...given.title?.font } } };
  }
  if (map) holdRanges(layout, map);
  if (log !== null) setLog(layout.yaxis, log);
  for (const name of axes) wholeDecades(layout[name]);
  for (const note of layout.annotations) if (note.font?.size) note.font.size *= theme.scale;
  const margin = { l: 50, r: 12, t: 8, b: 42, ...layout.margin };
  for (const side of Object.keys(margin)) margin[side] *= theme.scale;
  const bar = figure.data.some(({ colorbar }) => colorbar && colorbar.orientation !== "h") ? BAR * theme.scale : 0;
  for (const name of axes) if (name[0] === "x") thinLabels(layout[name], width - margin.l - margin.r - bar, font.size);
  return {
    ...layout,
    autosize: true,
    width: undefined,
    height,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { ...font, ...layout.font },
    margin,
    hoverlabel: { bgcolor: theme.paper, bordercolor: theme.mute, font: { ...font, color: theme.ink }, ...layout.hoverlabel },
    legend: scaledLegend({ bgcolor: "rgba(0,0,0,0)", ...layout.legend }, theme.scale, margin.l, width - margin.l - margin.r - bar),
    dragmode: still ? false : (layout.dragmode ?? "zoom"), // a finger scrolls the page
    uirevision: layout.uirevision ?? label, // a zoom outlives an update
  };
}

/** On a narrow plot a row of names begins at the card's edge, so that it needs fewer rows: plotly.js then counts the margin as room. */
function scaledLegend(legend, scale, left, width) {
  if (legend.x === 0 && width > 0 && width < NARROW * scale) legend.x = Math.max(-left / width, -1);
  if (legend.font?.size) legend.font.size *= scale;
  if (legend.entrywidth) legend.entrywidth *= scale;
  return legend;
}

/** Ranges from the map's first to its last pixel centre, unless the figure has its own. */
function holdRanges(layout, map) {
  const [rows, columns] = map.z.shape;
  layout.xaxis.range ??= [map.x0, map.x0 + map.dx * (columns - 1)];
  layout.yaxis.range ??= [map.y0, map.y0 + map.dy * (rows - 1)];
}

function setLog(axis, log) {
  if (log !== (axis.type === "log") && axis.range) {
    axis.range = Array.from(axis.range, (end) => (log ? Math.log10(Math.max(end, 0.5)) : 10 ** end));
    if (!log && axis.range[0] <= 1) axis.range[0] = 0;
  }
  axis.type = log ? "log" : "linear";
  axis.uirevision = axis.type;
}

/** Every second, third, ... label, counted from the last, where all of a row of numbers would touch; the first one where it fits. */
function thinLabels(axis, length, size) {
  const { tickvals: at, ticktext: texts, range, type, domain = [0, 1], tickangle = 0 } = axis;
  if (!at?.length || !range || tickangle !== 0 || !texts.every((text) => NUMBER.test(text))) return;
  const place = (value) => (((type === "log" ? Math.log10(value) : value) - range[0]) / (range[1] - range[0])) * length * (domain[1] - domain[0]);
  const half = (k) => (texts[k].replace(TAGS, "").length * DIGIT * (axis.tickfont?.size ?? size)) / 2;
  const clear = (a, b) => place(at[b]) - half(b) - place(at[a]) - half(a) >= APART;
  const last = at.length - 1;
  const every = (step) => [...at.keys()].filter((k) => (last - k) % step === 0);
  let step = 1;
  while (step < last && !every(step).every((k, i, kept) => i === 0 || clear(kept[i - 1], k))) step += 1;
  const kept = every(step);
  if (kept[0] !== 0) kept.splice(0, clear(0, kept[0]) ? 0 : 1, 0);
  Object.assign(axis, { tickangle: 0, tickvals: kept.map((k) => at[k]), ticktext: kept.map((k) => texts[k]) });
}

/** Labels at powers of ten only, where a log axis spans enough of them. */
function wholeDecades(axis) {
  if (axis.type !== "log" || axis.tickvals || axis.nticks || !axis.range) return;
  if (axis.range[1] - axis.range[0] > 1.5) axis.dtick ??= 1;
}
