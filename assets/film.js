// What moves over the figures while a training run plays: drawn on a canvas above Plotly's own lines, which stay as they are.

import { over } from "./map.js";

const DOT = 4.5; // the cursor's dots, in CSS pixels
const RING = 2;
const HATCH = 17; // a tile of three of Plotly's hatch lines, which lie 4 px apart
const hatches = new Map(); // colour and resolution -> pattern

/** Which two frames lie around a step: the first of them, and how far the step is beyond it (0 to 1). Held at both ends. */
export function at(steps, step) {
  const last = steps.length - 2;
  if (last < 0 || !(step > steps[0])) return [0, 0];
  if (step >= steps[last + 1]) return [last, 1];
  let [low, high] = [0, last]; // steps[low] <= step < steps[high + 1]
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (steps[middle] <= step) low = middle;
    else high = middle - 1;
  }
  return [low, (step - steps[low]) / (steps[low + 1] - steps[low])];
}

/** A value's place along an axis: Plotly's l2p takes the logarithm where the axis is logarithmic. */
function along(axis, log = false) {
  return (axis.type ?? (log ? "log" : "linear")) === "log" ? (value) => axis.l2p(Math.log10(value)) : (value) => axis.l2p(value);
}

const within = (value, length) => value >= -0.5 && value <= length + 0.5; // false for what is not a number

/** A thin line at a step and a dot on each curve there. The canvas is a little larger than the plot area: dots at its edge stay whole. */
export function cursor(canvas, axes, step, lines, theme) {
  const { xaxis, yaxis } = axes;
  const pen = over(canvas, axes, Math.ceil((DOT + RING) * theme.scale));
  const x = along(xaxis)(step);
  if (!within(x, xaxis._length)) return;
  Object.assign(pen, { globalAlpha: 0.5, strokeStyle: theme.ink, lineWidth: theme.scale });
  pen.beginPath();
  pen.moveTo(x, 0);
  pen.lineTo(x, yaxis._length);
  pen.stroke();
  Object.assign(pen, { globalAlpha: 1, strokeStyle: theme.paper, lineWidth: RING * theme.scale });
  for (const curve of lines) {
    const y = height(curve, step, along(yaxis, curve.log));
    if (!within(y, yaxis._length)) continue;
    pen.beginPath();
    pen.arc(x, y, (DOT + RING / 2) * theme.scale, 0, 2 * Math.PI);
    pen.stroke(); // around the dot, whose radius stays whole
    pen.fillStyle = curve.color;
    pen.beginPath();
    pen.arc(x, y, DOT * theme.scale, 0, 2 * Math.PI);
    pen.fill();
  }
}

/** How high a curve is drawn at a step: between the pixels of its two points there, so that a dot lies on the line on a log axis too. */
function height({ x, y, x0 = 0, dx = 1 }, step, place) {
  const last = y.length - 1;
  const [first, final] = x ? [x[0], x[last]] : [x0, x0 + dx * last];
  if (!(step >= first && step <= final)) return NaN;
  let [k, t] = [0, 0];
  if (x) [k, t] = at(x, step);
  else [k, t] = [Math.floor((step - x0) / dx), ((step - x0) / dx) % 1];
  if (t === 0 || t === 1) return place(y[k + t]); // its neighbour may not be a number
  return place(y[k]) * (1 - t) + place(y[k + 1]) * t;
}

/** Overlaid histograms, as Plotly draws those of wdviz/figures/weights.py: tinted, or hatched without a ground. */
export function bars(canvas, axes, frames) {
  const pen = over(canvas, axes);
  const [across, up] = [along(axes.xaxis), along(axes.yaxis)];
  const bottom = axes.yaxis.type === "log" ? axes.yaxis._length : up(0);
  for (const { x, width, counts, color, hatched } of frames) {
    pen.beginPath();
    for (let k = 0; k < counts.length; k += 1) {
      if (!(counts[k] > 0)) continue;
      const [left, top] = [across(x[k] - width / 2), up(counts[k])];
      if (top < bottom) pen.rect(left, top, across(x[k] + width / 2) - left, bottom - top);
    }
    Object.assign(pen, { globalAlpha: hatched ? 1 : 0.6, fillStyle: hatched ? hatch(pen, color) : color });
    pen.fill();
  }
  pen.globalAlpha = 1;
}

/** Diagonal lines as in Plotly's pattern "/" of size 4 and solidity 0.25; made once for each colour. */
function hatch(pen, color) {
  const ratio = pen.getTransform().a;
  const key = `${color} ${ratio}`;
  if (hatches.has(key)) return hatches.get(key);
  const side = Math.round(HATCH * ratio);
  const tile = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const brush = tile.getContext("2d");
  brush.scale(side, side);
  Object.assign(brush, { strokeStyle: color, lineWidth: 1.05 / HATCH }); // 1 would be a hairline, drawn thinner
  for (let k = -1; k < 8; k += 1) {
    brush.moveTo(-1, k / 3 + 1);
    brush.lineTo(2, k / 3 - 2);
  }
  brush.stroke();
  const pattern = pen.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix([HATCH / side, 0, 0, HATCH / side, 0, 0]));
  hatches.set(key, pattern);
  return pattern;
}

/** One curve, such as the fit to a one-input set; it is broken where a value is not a number. */
export function line(canvas, axes, x, y, color, width) {
  const pen = over(canvas, axes);
  const [across, up] = [along(axes.xaxis), along(axes.yaxis)];
  let drawing = false;
  pen.beginPath();
  for (let k = 0; k < y.length; k += 1) {
    const [px, py] = [across(x[k]), up(y[k])];
    const known = Number.isFinite(px) && Number.isFinite(py);
    if (known && drawing) pen.lineTo(px, py);
    else if (known) pen.moveTo(px, py);
    drawing = known;
  }
  Object.assign(pen, { strokeStyle: color, lineWidth: width, lineJoin: "round" });
  pen.stroke();
}
