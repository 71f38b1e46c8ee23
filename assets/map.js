// The decision map: a small picture and its boundary, drawn on a canvas under Plotly's axes. wdviz/figures/decision.py describes the values.

const FINE = 4; // the map is interpolated to so many pixels a side for each of its own

/** The map as a small picture and the segments of its boundary in data coordinates, ready to be placed again and again. */
export function paint(map, theme, rgb) {
  const { z } = map;
  const [ny, nx] = [z.length, z[0].length];
  const shades = map.meta.colors.map((colour) => ramp(rgb(theme.pale), rgb(colour)));
  const picture = Object.assign(document.createElement("canvas"), { width: nx * FINE, height: ny * FINE });
  const pen2 = picture.getContext("2d");
  const image = pen2.createImageData(picture.width, picture.height);
  const out = new Uint32Array(image.data.buffer);
  const columns = places(nx);
  places(ny).forEach(([j, v], row) => {
    const [low, high] = [z[j], z[Math.min(j + 1, ny - 1)]];
    for (let column = 0, at = row * picture.width; column < columns.length; column += 1, at += 1) {
      const [i, u] = columns[column];
      const i1 = Math.min(i + 1, nx - 1);
      out[at] = shade(low[i], low[i1], high[i], high[i1], u, v, shades);
    }
  });
  pen2.putImageData(image, 0, 0);
  const { x0, dx, y0, dy } = map;
  return { picture, segments: boundary(map), ink: theme.ink, width: 2 * theme.scale, nx, ny, x0, dx, y0, dy };
}

/** For each fine pixel along an axis: the grid point before it and how far beyond that it lies. */
function places(count) {
  return Array.from({ length: count * FINE }, (_, k) => {
    const at = Math.min(Math.max((k + 0.5) / FINE - 0.5, 0), count - 1);
    return [Math.floor(at), at - Math.floor(at)];
  });
}

/** 256 colours from pale (unsure) to the class's own (sure), as little-endian RGBA. */
function ramp(pale, colour) {
  return Uint32Array.from({ length: 256 }, (_, margin) => {
    const t = (margin / 255) ** 0.9;
    const [r, g, b] = pale.map((end, k) => Math.round(end + (colour[k] - end) * t));
    return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
  });
}

/** Bilinear in each class's margin: the class that leads, by as much as it leads. */
function shade(a, b, c, d, u, v, shades) {
  const [wa, wb, wc, wd] = [(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v];
  const first = a >> 8;
  if (first === b >> 8 && first === c >> 8 && first === d >> 8) {
    return shades[first][Math.round(wa * (a & 255) + wb * (b & 255) + wc * (c & 255) + wd * (d & 255))];
  }
  const sums = {};
  for (const [value, weight] of [[a, wa], [b, wb], [c, wc], [d, wd]]) {
    sums[value >> 8] = (sums[value >> 8] ?? 0) + weight * (value & 255);
  }
  const ranked = Object.entries(sums).sort((p, q) => q[1] - p[1]);
  return shades[ranked[0][0]][Math.round(ranked[0][1] - ranked[1][1])];
}

/** Segments [x, y, x, y, ...] between the classes, in data coordinates: one step of marching squares a cell. */
function boundary(map) {
  const { z } = map;
  const [ny, nx] = [z.length, z[0].length];
  const within = (k, count) => Math.min(Math.max(k, 0), count - 1);
  const segments = [];
  // From -1 to reach the outer rim of the outermost pixels, where values are repeated.
  for (let j = -1; j < ny; j += 1) {
    for (let i = -1; i < nx; i += 1) {
      const leader = z[within(j, ny)][within(i, nx)] >> 8;
      if ([[i + 1, j], [i, j + 1], [i + 1, j + 1]].every(([p, q]) => z[within(q, ny)][within(p, nx)] >> 8 === leader)) continue;
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]].map(([p, q]) => ({
        x: Math.min(Math.max(p, -0.5), nx - 0.5), y: Math.min(Math.max(q, -0.5), ny - 0.5), value: z[within(q, ny)][within(p, nx)],
      }));
      const found = crossings(corners);
      if (found.length === 2) segments.push(...found[0], ...found[1]);
      else if (found.length) {
        const centre = [0, 1].map((k) => found.reduce((sum, point) => sum + point[k], 0) / found.length);
        for (const point of found) segments.push(...point, ...centre);
      }
    }
  }
  return Float64Array.from(segments, (at, k) => (k % 2 ? map.y0 + map.dy * at : map.x0 + map.dx * at));
}

function crossings(corners) {
  return corners.flatMap((a, k) => {
    const b = corners[(k + 1) % 4];
    if (a.value >> 8 === b.value >> 8) return [];
    const [ma, mb] = [a.value & 255, b.value & 255];
    const t = ma + mb ? ma / (ma + mb) : 0.5;
    return [[a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t]];
  });
}

/** Puts the map under the axes as they are now: after a drawing, a resize, and while one zooms. */
export function place(card, axes = card.plot._fullLayout) {
  const { canvas, map } = card;
  if (!map || !axes?.xaxis) return;
  const { xaxis, yaxis } = axes;
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const [width, height] = [xaxis._length, yaxis._length];
  Object.assign(canvas.style, {
    left: `${xaxis._offset}px`, top: `${yaxis._offset}px`, width: `${width}px`, height: `${height}px`,
  });
  Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) }); // also clears it
  const pen = canvas.getContext("2d");
  const [x, y] = [(at) => xaxis.l2p(at) * ratio, (at) => yaxis.l2p(at) * ratio];
  const [left, right] = [x(map.x0 - map.dx / 2), x(map.x0 + map.dx * (map.nx - 0.5))];
  const [first, last] = [y(map.y0 - map.dy / 2), y(map.y0 + map.dy * (map.ny - 0.5))];
  pen.imageSmoothingQuality = "high";
  pen.setTransform((right - left) / map.picture.width, 0, 0, (last - first) / map.picture.height, left, first); // rows may run upwards
  pen.drawImage(map.picture, 0, 0);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.beginPath();
  for (let k = 0; k < map.segments.length; k += 4) {
    pen.moveTo(x(map.segments[k]), y(map.segments[k + 1]));
    pen.lineTo(x(map.segments[k + 2]), y(map.segments[k + 3]));
  }
  Object.assign(pen, { strokeStyle: map.ink, lineWidth: map.width * ratio, lineCap: "round" });
  pen.stroke();
}

/** Where Plotly will put the axes of a layout, before it is there: margins are fixed and the ranges given. */
export function expectedAxes(figure, { margin, xaxis, yaxis }) {
  const axis = (offset, length, [first, last], turned) => ({
    _offset: offset, _length: length, l2p: (at) => ((turned ? last - at : at - first) / (last - first)) * length,
  });
  return {
    xaxis: axis(margin.l, figure.clientWidth - margin.l - margin.r, xaxis.range, false),
    yaxis: axis(margin.t, figure.clientHeight - margin.t - margin.b, yaxis.range, true),
  };
}

/** Training points as plain discs and rings, until Plotly draws them properly. */
export function dots(canvas, axes, traces) {
  const ratio = canvas.width / parseFloat(canvas.style.width);
  const pen = canvas.getContext("2d");
  for (const { x, y, marker } of traces.filter(({ mode }) => mode === "markers")) {
    const open = marker.symbol === "circle-open";
    Object.assign(pen, { fillStyle: marker.color, strokeStyle: marker.line.color, lineWidth: marker.line.width * ratio });
    for (let k = 0; k < x.length; k += 1) {
      if (x[k] === null) continue; // there for the legend only
      pen.beginPath();
      pen.arc(axes.xaxis.l2p(x[k]) * ratio, axes.yaxis.l2p(y[k]) * ratio, (marker.size / 2) * ratio, 0, 2 * Math.PI);
      if (!open) pen.fill();
      pen.stroke();
    }
  }
}
