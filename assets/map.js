// The decision map: a small picture and its boundary, drawn on a canvas under Plotly's axes. wdviz/figures/decision.py describes
// the values. During playback a map is painted anew each frame, so its buffers are made once.

const FINE = 4; // the map is interpolated to so many pixels a side for each of its own
const SHADES = 256; // steps from pale to a class's own colour

/** What a map needs to be painted again and again: colours, decoders of values, the picture, and room for the boundary. */
export function newMap(trace, theme, rgb) {
  const [ny, nx] = trace.z.shape;
  const { colors, levels } = trace.meta;
  const picture = Object.assign(document.createElement("canvas"), { width: nx * FINE, height: ny * FINE });
  const pen = picture.getContext("2d", { alpha: false }); // opaque pixels are copied, not mixed
  const image = pen.createImageData(picture.width, picture.height);
  const { x0, dx, y0, dy } = trace;
  return {
    nx, ny, x0, dx, y0, dy, picture, pen, image, ink: theme.ink, width: 2 * theme.scale,
    out: new Uint32Array(image.data.buffer),
    shades: ramps(rgb(theme.pale), colors.map(rgb)),
    sums: new Float64Array(colors.length),
    classes: Uint8Array.from({ length: 256 }, (_, value) => Math.min(Math.floor(value / levels), colors.length - 1)),
    margins: Float32Array.from({ length: 256 }, (_, value) => ((value % levels) / (levels - 1)) * (SHADES - 1)),
    leader: new Uint8Array(nx * ny),
    margin: new Float32Array(nx * ny),
    segments: new Float32Array((nx + 1) * (ny + 1) * 16), // four pieces of boundary in each cell at most
    count: 0, // numbers in use: x, y, x, y for each piece, counted in grid points
  };
}

/** Paints one frame. */
export function show(map, z) {
  const { classes, margins, leader, margin } = map;
  for (let k = 0; k < leader.length; k += 1) {
    leader[k] = classes[z[k]];
    margin[k] = margins[z[k]];
  }
  paint(map);
}

/** Paints what lies between two frames: margins move linearly, and a class gives way where its margin comes to nought. */
export function blend(map, a, b, t) {
  if (t <= 0 || t >= 1) {
    show(map, t <= 0 ? a : b);
    return;
  }
  const { classes, margins, leader, margin } = map;
  for (let k = 0; k < leader.length; k += 1) {
    const first = classes[a[k]];
    const next = classes[b[k]];
    const here = margins[a[k]];
    const there = margins[b[k]];
    const mixed = first === next ? here + t * (there - here) : here - t * (here + there);
    leader[k] = mixed >= 0 ? first : next;
    margin[k] = Math.abs(mixed);
  }
  paint(map);
}

function paint(map) {
  fillPicture(map);
  findBoundary(map);
  map.pen.putImageData(map.image, 0, 0);
}

/** For each class its colours from pale (unsure) to its own (sure), one class after the other, as little-endian RGBA. */
function ramps(pale, colours) {
  return Uint32Array.from({ length: colours.length * SHADES }, (_, k) => {
    const t = ((k % SHADES) / (SHADES - 1)) ** 0.9;
    const [r, g, b] = pale.map((end, channel) => Math.round(end + (colours[Math.floor(k / SHADES)][channel] - end) * t));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

/** Bilinear in each class's margin: the class that leads, by as much as it leads. A cell lies between four grid points. */
function fillPicture(map) {
  const { nx, ny, leader } = map;
  // From -1 to fill the half cells along the rim too, where values are repeated.
  for (let j = -1; j < ny; j += 1) {
    const low = Math.max(j, 0) * nx;
    const high = Math.min(j + 1, ny - 1) * nx;
    for (let i = -1; i < nx; i += 1) {
      const near = Math.max(i, 0);
      const far = Math.min(i + 1, nx - 1);
      const one = leader[low + near];
      const b = leader[low + far];
      const c = leader[high + near];
      const d = leader[high + far];
      const other = b !== one ? b : c !== one ? c : d;
      const few = (c === one || c === other) && (d === one || d === other);
      (few ? fillCell : fillMeeting)(map, i, j, low + near, low + far, high + near, high + far, one, other);
    }
  }
}

/** Where a cell's pixels begin and end: the half cells along the rim have half of them. */
const begin = (at) => (at < 0 ? FINE / 2 : 0);
const end = (at, count) => (at === count - 1 ? FINE / 2 : FINE);

/** Two classes at most: the margin of one over the other is a signed number. */
function fillCell({ nx, ny, leader, margin, shades, out }, i, j, a, b, c, d, one, other) {
  const [bottom, left, right] = [end(j, ny), begin(i), end(i, nx)];
  const lowNear = margin[a];
  const lowFar = leader[b] === one ? margin[b] : -margin[b];
  const highNear = leader[c] === one ? margin[c] : -margin[c];
  const highFar = leader[d] === one ? margin[d] : -margin[d];
  for (let v = begin(j); v < bottom; v += 1) {
    const up = (v + 0.5) / FINE;
    const from = lowNear + (highNear - lowNear) * up;
    const slope = (lowFar + (highFar - lowFar) * up - from) / FINE;
    const row = (((j + 0.5) * FINE + v) * nx + i + 0.5) * FINE;
    for (let u = left; u < right; u += 1) {
      const lead = from + slope * (u + 0.5);
      out[row + u] = lead >= 0 ? shades[one * SHADES + ((lead + 0.5) | 0)] : shades[other * SHADES + ((0.5 - lead) | 0)];
    }
  }
}

/** Three or four classes: each has its own sum. */
function fillMeeting(map, i, j, a, b, c, d) {
  const { nx, ny, out } = map;
  const [bottom, left, right] = [end(j, ny), begin(i), end(i, nx)];
  for (let v = begin(j); v < bottom; v += 1) {
    const row = (((j + 0.5) * FINE + v) * nx + i + 0.5) * FINE;
    for (let u = left; u < right; u += 1) out[row + u] = contested(map, a, b, c, d, (u + 0.5) / FINE, (v + 0.5) / FINE);
  }
}

/** The colour of a pixel where three or four classes meet. */
function contested({ leader, margin, shades, sums }, a, b, c, d, u, v) {
  sums.fill(0);
  sums[leader[a]] += (1 - u) * (1 - v) * margin[a];
  sums[leader[b]] += u * (1 - v) * margin[b];
  sums[leader[c]] += (1 - u) * v * margin[c];
  sums[leader[d]] += u * v * margin[d];
  let [best, next] = [0, 0];
  for (let k = 1; k < sums.length; k += 1) if (sums[k] > sums[best]) best = k;
  for (let k = 0; k < sums.length; k += 1) if (k !== best && sums[k] > next) next = sums[k];
  return shades[best * SHADES + Math.round(sums[best] - next)];
}

/** The lines between the classes: one step of marching squares in each cell whose corners differ. */
function findBoundary(map) {
  const { nx, ny, leader } = map;
  map.count = 0;
  // From -1 to reach the outer rim of the outermost pixels, where values are repeated.
  for (let j = -1; j < ny; j += 1) {
    const [low, high] = [Math.max(j, 0) * nx, Math.min(j + 1, ny - 1) * nx];
    for (let i = -1; i < nx; i += 1) {
      const [near, far] = [Math.max(i, 0), Math.min(i + 1, nx - 1)];
      const one = leader[low + near];
      if (leader[low + far] === one && leader[high + near] === one && leader[high + far] === one) continue;
      cross(map, i, j, [low + near, low + far, high + far, high + near]);
    }
  }
}

/** Adds the pieces of boundary in one cell: a line from side to side, or a star where it has three or four ends. */
function cross(map, i, j, corners) {
  const { nx, ny, leader, margin, segments } = map;
  const [left, right] = [Math.max(i, -0.5), Math.min(i + 1, nx - 0.5)];
  const [low, high] = [Math.max(j, -0.5), Math.min(j + 1, ny - 0.5)];
  const [xs, ys] = [[left, right, right, left], [low, low, high, high]];
  const ends = [];
  for (let k = 0; k < 4; k += 1) {
    const next = (k + 1) % 4;
    const [a, b] = [corners[k], corners[next]];
    if (leader[a] === leader[b]) continue;
    const t = margin[a] + margin[b] > 0 ? margin[a] / (margin[a] + margin[b]) : 0.5;
    ends.push(xs[k] + (xs[next] - xs[k]) * t, ys[k] + (ys[next] - ys[k]) * t);
  }
  if (ends.length === 4) {
    segments.set(ends, map.count);
    map.count += 4;
    return;
  }
  const [x, y] = [0, 1].map((k) => ends.reduce((sum, at, index) => sum + (index % 2 === k ? at : 0), 0) / (ends.length / 2));
  for (let k = 0; k < ends.length; k += 2, map.count += 4) segments.set([ends[k], ends[k + 1], x, y], map.count);
}

/** Lays a canvas over the plot area (and `room` pixels around it) and clears it. Its pen counts in CSS pixels from the area's corner. */
export function over(canvas, { xaxis, yaxis }, room = 0) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [xaxis._length + 2 * room, yaxis._length + 2 * room];
  Object.assign(canvas.style, {
    left: `${xaxis._offset - room}px`, top: `${yaxis._offset - room}px`, width: `${width}px`, height: `${height}px`,
  });
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns) canvas.width = columns; // slow, so only where it changes
  if (canvas.height !== rows) canvas.height = rows;
  const pen = canvas.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, columns, rows);
  pen.setTransform(ratio, 0, 0, ratio, room * ratio, room * ratio);
  return pen;
}

/** Puts the map under the axes as they are now: after a drawing, a resize, while one zooms and, `quick`, in each frame of a film. */
export function place(canvas, map, axes, quick = false) {
  if (!map || !axes?.xaxis) return;
  const { x0, dx, y0, dy, nx, ny, picture, segments } = map;
  const pen = over(canvas, axes);
  const [left, right] = [x0 - dx / 2, x0 + dx * (nx - 0.5)].map((at) => axes.xaxis.l2p(at));
  const [first, last] = [y0 - dy / 2, y0 + dy * (ny - 0.5)].map((at) => axes.yaxis.l2p(at));
  const [across, along] = [(right - left) / nx, (last - first) / ny];
  pen.imageSmoothingQuality = quick ? "low" : "high";
  pen.save();
  pen.transform(across / FINE, 0, 0, along / FINE, left, first); // rows may run upwards
  pen.drawImage(picture, 0, 0);
  pen.restore();
  Object.assign(pen, { strokeStyle: map.ink, lineWidth: map.width, lineCap: quick ? "square" : "round" }); // square ones are cheaper
  pen.beginPath();
  for (let k = 0; k < map.count; k += 4) {
    pen.moveTo(left + (segments[k] + 0.5) * across, first + (segments[k + 1] + 0.5) * along);
    pen.lineTo(left + (segments[k + 2] + 0.5) * across, first + (segments[k + 3] + 0.5) * along);
  }
  pen.stroke();
}

/** Where Plotly will put the axes of a layout, before it is there: margins are fixed and the ranges given. */
export function expectedAxes(figure, { margin, xaxis, yaxis }) {
  const axis = ({ type = "linear", range: [first, last] }, offset, length, turned) => ({
    type, _offset: offset, _length: length, l2p: (at) => ((turned ? last - at : at - first) / (last - first)) * length,
  });
  return {
    xaxis: axis(xaxis, margin.l, figure.clientWidth - margin.l - margin.r, false),
    yaxis: axis(yaxis, margin.t, figure.clientHeight - margin.t - margin.b, true),
  };
}

/** Corners at even angles from the top, for a mark of radius 1. */
const ring = (...radii) => radii.flatMap((radius, k) => {
  const angle = (2 * Math.PI * k) / radii.length;
  return [radius * Math.sin(angle), -radius * Math.cos(angle)];
});
const SPIKES = [1.4, 0.535, 1.4, 0.535, 1.4, 0.535, 1.4, 0.535, 1.4, 0.535];
const ARM = [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4]];
const ARMS = [...ARM, ...ARM.map(([x, y]) => [-y, x]), ...ARM.map(([x, y]) => [-x, -y]), ...ARM.map(([x, y]) => [y, -x])];

/** Corners of Plotly's marks, x and y in turn. */
const MARKS = {
  diamond: ring(1.3, 1.3, 1.3, 1.3),
  square: [-1, -1, 1, -1, 1, 1, -1, 1],
  "triangle-up": [0, -1, 1.155, 0.5, -1.155, 0.5],
  "triangle-down": [0, 1, -1.155, -0.5, 1.155, -0.5],
  cross: ARMS.flat(),
  x: ARMS.flatMap(([x, y]) => [(x - y) * Math.SQRT1_2, (x + y) * Math.SQRT1_2]), // the cross, turned
  star: ring(...SPIKES),
  pentagon: ring(1, 1, 1, 1, 1),
  hexagon: ring(1, 1, 1, 1, 1, 1),
};

/** Training points in their classes' shapes, until Plotly draws them properly: a sketch that does not rely on hue alone. */
export function dots(canvas, axes, traces) {
  const ratio = canvas.width / parseFloat(canvas.style.width);
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  for (const { x, y, marker } of traces.filter(({ mode }) => mode === "markers")) {
    const { color, symbol, size, opacity = 1, line } = marker;
    Object.assign(pen, { globalAlpha: opacity, fillStyle: color, strokeStyle: line.color, lineWidth: line.width });
    for (let k = 0; k < x.length; k += 1) {
      if (x[k] === null) continue; // there for the legend only
      pen.beginPath();
      outline(pen, MARKS[symbol], axes.xaxis.l2p(x[k]), axes.yaxis.l2p(y[k]), size / 2);
      if (symbol !== "circle-open") pen.fill();
      pen.stroke();
    }
  }
  pen.globalAlpha = 1;
}

function outline(pen, corners, x, y, radius) {
  if (!corners) pen.arc(x, y, radius, 0, 2 * Math.PI);
  for (let k = 0; k < (corners?.length ?? 0); k += 2) pen.lineTo(x + corners[k] * radius, y + corners[k + 1] * radius);
  pen.closePath();
}
