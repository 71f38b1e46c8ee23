// A figure's data as a table in a file.

import { make } from "./dom.js";

export function downloadCsv(name, view) {
  const traces = [...(view.map ? [view.map] : []), ...view.figure.data];
  const rows = traces.flatMap((trace, i) => traceRows(trace, trace.name ?? `trace ${i + 1}`));
  const columns = ["trace", "x", "y", "value", "margin"].slice(0, rows.reduce((most, row) => Math.max(most, row.length), 3));
  const cell = (value) => {
    const text = String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  // The first line says which settings it comes from: the address holds them all.
  const lines = [`# ${location.href}`, ...[columns, ...rows].map((row) => row.map(cell).join(","))];
  const link = make("a", "", null, { download: `${name}-${view.label}.csv`.replace(/[^\w.-]+/g, "-").toLowerCase() });
  link.href = URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function traceRows(trace, name) {
  const along = (given, start = 0, step = 1) => (k) => (given ? given[k] : start + step * k);
  const [x, y] = [along(trace.x, trace.x0, trace.dx), along(trace.y, trace.y0, trace.dy)];
  const length = Math.max(trace.x?.length ?? 0, trace.y?.length ?? 0);
  if (!trace.z) return Array.from({ length }, (_, k) => [name, x(k), y(k)]);
  const columns = trace.z.shape[1];
  const place = (k) => [name, x(k % columns), y(Math.floor(k / columns))];
  if (!trace.meta?.levels) return Array.from(trace.z, (z, k) => [...place(k), z]);
  const { names, levels } = trace.meta;
  return Array.from(trace.z, (z, k) => {
    const chosen = Math.floor(z / levels);
    return [...place(k), names[chosen], (z % levels) / (levels - 1)];
  });
}
