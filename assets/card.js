// A card of the stage: a figure with its numbers, drawn by plotly.js between two canvases.
// The lower canvas carries the decision map, the upper one what moves while a training is played.

import { downloadCsv } from "./csv.js";
import { make, setText, updateOffers } from "./dom.js";
import * as film from "./film.js";
import * as maps from "./map.js";
import { rgb, themedLayout, themedTrace } from "./theme.js";

const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "reset", scrollZoom: false, showTips: false };
const coarse = matchMedia("(pointer: coarse)");

export class Card {
  constructor(stage) {
    this.stage = stage;
    this.picked = ""; // label of the view that is shown
    this.toggled = null; // log axis or not, once someone has chosen
    this.drawn = this.sketched = this.map = null;
    this.drawnAt = 0;
    this.build();
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.figure);
  }

  build() {
    const root = (this.root = make("section", "wd-card", null));
    const head = make("div", "wd-head", root);
    this.title = make("h2", "wd-title", head);
    this.note = make("span", "wd-note", head);
    this.tag = make("span", "wd-tag", head);
    this.controls = make("div", "wd-controls", head);
    this.select = make("select", "", make("label", "", this.controls));
    this.offer = make("span", "", this.controls);
    this.toggle = make("label", "", this.controls);
    this.check = make("input", "", this.toggle, { type: "checkbox" });
    this.toggleText = make("span", "", this.toggle);
    this.stats = make("dl", "wd-stats", root);
    this.frame = make("div", "wd-frame", root);
    this.figure = make("div", "wd-figure", this.frame, { role: "img" });
    this.under = make("canvas", "wd-map", this.figure, { hidden: true });
    this.plot = make("div", "wd-plot", this.figure);
    this.over = make("canvas", "wd-over", this.figure, { hidden: true });
    const foot = make("div", "wd-foot", root);
    this.summary = make("p", "wd-summary", foot);
    this.csv = make("button", "wd-csv", foot, { type: "button", textContent: "CSV" });
    const redraw = () => { this.showView(); this.stage.redraw(this); };
    this.select.onchange = () => {
      this.picked = this.select.value;
      if (this.view.figure) redraw();
      else this.stage.ask({}); // left out until all seeds are there
    };
    this.check.onchange = () => { this.toggled = this.check.checked; redraw(); };
    this.csv.onclick = () => downloadCsv(this.panel.name, this.view);
  }

  remove() {
    this.observer.disconnect();
    if (this.drawn) window.Plotly.purge(this.plot);
    this.root.remove();
  }

  get view() {
    return this.panel.views.find((view) => view.label === this.picked);
  }

  get axes() {
    return this.plot._fullLayout;
  }

  /** On a phone, two maps side by side say more than one. With more classes or to edit points one needs the legend or the size. */
  get small() {
    const { stage, panel, view } = this;
    return Boolean(stage.onPhone && panel.tone && view.map?.meta.colors.length === 2 && !stage.body.embedded && !stage.editing && !stage.presenter.on);
  }

  get height() {
    return this.stage.heightOf(this);
  }

  // --- text ----------------------------------------------------------------------------------------------------------------------

  update(panel, mediumSpan) {
    this.panel = panel;
    this.root.dataset.tone = panel.tone;
    this.root.dataset.panel = panel.name;
    this.root.style.setProperty("--wd-span", panel.span);
    this.root.style.setProperty("--wd-span-medium", mediumSpan);
    setText(this.title, panel.title);
    setText(this.note, panel.note);
    setText(this.tag, panel.tag);
    setText(this.toggleText, panel.toggle);
    this.updateStats(panel.stats);
    this.updateControls();
    this.root.toggleAttribute("data-small", this.small);
    if (this.view.figure) this.showView();
    else this.stage.ask({}); // it was left out, since the server did not know yet that it is the one shown
  }

  updateStats(stats) {
    const list = this.stats;
    while (list.children.length > stats.length) list.lastChild.remove();
    stats.forEach(([label, value, spread], i) => {
      const row = list.children[i] ?? make("div", "", list);
      if (!row.children.length) {
        make("dt", "", row);
        const cell = make("dd", "", row);
        make("span", "wd-value", cell);
        make("span", "wd-spread", cell);
      }
      const [term, cell] = row.children;
      setText(term, label);
      setText(cell.children[0], value);
      setText(cell.children[1], spread);
    });
  }

  updateControls() {
    const { panel, select } = this;
    const labels = panel.views.map((view) => view.label);
    if (!labels.includes(this.picked)) this.picked = labels[0];
    if ([...select.options].map((option) => option.value).join("\n") !== labels.join("\n")) {
      select.replaceChildren(...labels.map((label) => new Option(label, label)));
    }
    select.value = this.picked;
    select.ariaLabel = `${panel.title}: which picture`;
    select.parentElement.hidden = labels.length < 2;
    this.toggle.hidden = !panel.toggle;
    updateOffers(this.offer, panel.offer ? [panel.offer] : [], this.stage);
    this.controls.hidden = labels.length < 2 && !panel.toggle && !panel.offer;
    this.csv.ariaLabel = `CSV: download the data of ${panel.title}`;
  }

  showView() {
    const { view } = this;
    setText(this.summary, view.summary);
    this.figure.ariaLabel = view.summary;
    this.check.checked = this.toggled ?? view.figure.layout.yaxis?.type === "log";
  }

  // --- picture -------------------------------------------------------------------------------------------------------------------

  layout(theme) {
    const { figure, map, label } = this.view;
    const log = this.panel.toggle ? this.toggled : null;
    const still = coarse.matches || (map && this.stage.editing);
    const layout = themedLayout(figure, theme, { label, width: this.figure.clientWidth, height: this.height, map, log, still });
    return this.small ? bare(layout) : layout;
  }

  /** The decision map alone, before the figures: it needs no library, and it is the picture one came for. */
  sketch(theme) {
    if (!this.view.figure) return;
    const { map: trace, figure } = this.view;
    const height = `${this.height}px`;
    if (this.figure.style.height !== height) this.figure.style.height = height;
    const key = [theme.key, height].join();
    // By identity: arrays that have not changed are the very same objects.
    if (this.sketched?.z === trace?.z && this.sketched?.key === key) return;
    this.sketched = { z: trace?.z, key };
    this.under.hidden = !trace;
    this.map = null;
    if (!trace) return;
    this.map = maps.newMap(trace, theme, rgb);
    maps.show(this.map, trace.z);
    if (this.drawn && this.axes?.xaxis) this.place();
    else {
      const axes = maps.expectedAxes(this.figure, this.layout(theme));
      maps.place(this.under, this.map, axes);
      maps.dots(this.under, axes, figure.data);
    }
  }

  /** Whether the figure on the screen is not yet the one that is wanted. */
  isStale(theme) {
    return this.view.figure && (this.drawn?.figure !== this.view.figure || this.drawn.key !== this.drawKey(theme));
  }

  drawKey(theme) {
    return [theme.key, this.toggled, this.height, this.small, coarse.matches, this.stage.editing].join();
  }

  async draw(theme) {
    const { figure } = this.view;
    const isNew = !this.drawn;
    this.drawn = { figure, key: this.drawKey(theme) };
    this.drawnAt = performance.now();
    this.sketch(theme);
    const traces = figure.data.map((trace) => themedTrace(trace, theme));
    const margin = this.axes?._size?.t;
    try {
      await window.Plotly.react(this.plot, traces, this.layout(theme), CONFIG);
      // plotly.js places a legend by the margin before; where its rows have become fewer or more, it takes a second go.
      if (margin && margin !== this.axes._size.t) await window.Plotly.redraw(this.plot);
    } catch (error) {
      console.error(`panel ${this.panel.name}`, error);
    }
    const follow = () => this.stage.placed(this);
    if (isNew) {
      for (const event of ["plotly_afterplot", "plotly_relayouting"]) this.plot.on?.(event, follow);
      this.plot.on?.("plotly_click", ({ points }) => this.click(points[0]));
    }
    follow();
  }

  /** Puts what a figure's `meta.put` says for a point (see wdviz/ui/stage.py). */
  click({ x, y }) {
    const { put } = this.view.figure.layout.meta ?? {};
    if (!put) return;
    const chosen = { ...put.also };
    for (const [axis, at] of [["x", x], ["y", y]]) if (put[axis]) chosen[put[axis].name] = put[axis].values[Math.round(at)];
    if (!Object.values(chosen).includes(undefined)) this.stage.ask({ put: chosen });
  }

  /** Puts the canvases under and over the axes as they are now. */
  place() {
    if (this.map && this.axes) maps.place(this.under, this.map, this.axes);
  }

  /** Follows the width of the card. */
  fit() {
    const width = this.figure.clientWidth;
    const drawn = this.axes?.width;
    if (!drawn || !width || Math.abs(drawn - width) <= 0.5) return;
    this.drawn.key = "";
    this.stage.repaint();
  }

  // --- playback ------------------------------------------------------------------------------------------------------------------

  /** The picture at a step of the training; `smooth` mixes the two frames around it. */
  showFrame(reel, step, theme, smooth) {
    const { panel, view, axes } = this;
    if (!view.figure) return;
    const { data } = view.figure;
    if (!axes?.xaxis || !this.drawn) return;
    this.filming = true;
    const mixed = (steps) => { const [k, t] = film.at(steps, step); return [k, smooth ? t : Math.round(t)]; };
    const steps = reel.steps[panel.name];
    if (steps) this.showCaption(reel.captions[panel.name], film.at(steps, step), step);
    const answers = reel.answers[panel.name];
    if (answers && this.map) {
      const [k, t] = mixed(steps);
      maps.blend(this.map, row(answers, k), row(answers, k + (t > 0 ? 1 : 0)), t);
      maps.place(this.under, this.map, axes, true);
    } else if (answers) {
      const line = data.find((trace) => trace.mode === "lines");
      this.showOver(() => film.line(this.over, axes, line.x, between(answers, ...mixed(steps)), line.line.color, 3 * theme.lines));
    } else if (reel.bars[view.label] && data.some((trace) => trace.type === "bar")) {
      this.showOver(() => film.bars(this.over, axes, this.barFrames(reel, mixed)));
    } else {
      const lines = data.filter((trace) => trace.meta?.follow);
      const moving = lines.map(({ x, y, x0, dx, line }) => ({ x, y, x0, dx, color: line.color }));
      this.showOver(() => film.cursor(this.over, axes, step, moving, theme));
    }
  }

  showOver(draw) {
    this.over.hidden = false;
    this.root.classList.add("wd-filming");
    draw();
  }

  barFrames(reel, mixed) {
    return Object.entries(reel.bars[this.view.label]).flatMap(([arm, counts]) => {
      const trace = this.view.figure.data.find(({ type, name }) => type === "bar" && name === `${arm} decay`);
      if (!trace) return [];
      const { x, width, marker } = trace;
      const frame = between(counts, ...mixed(reel.steps[arm]));
      return [{ x, width, counts: frame, color: marker.pattern.fgcolor, hatched: marker.pattern.shape !== "" }];
    });
  }

  showCaption(captions, [k, t], step) {
    const frame = captions[Math.min(k + Math.round(t), captions.length - 1)];
    this.updateStats(this.panel.stats.map(([label], i) => [label, frame[i], "first seed"]));
    setText(this.tag, `at step ${Math.round(step)}`);
  }

  /** Back to the picture after training. */
  showEnd() {
    if (!this.filming) return;
    this.filming = false;
    this.over.hidden = true;
    this.root.classList.remove("wd-filming");
    this.updateStats(this.panel.stats);
    setText(this.tag, this.panel.tag);
    if (this.map) maps.show(this.map, this.view.map.z);
    this.place();
  }
}

/** The layout without what stands around the axes. */
function bare(layout) {
  for (const name of ["xaxis", "yaxis"]) Object.assign(layout[name], { showticklabels: false, ticks: "", title: undefined });
  return Object.assign(layout, { showlegend: false, margin: { l: 1, r: 1, t: 1, b: 1 } });
}

const row = (frames, k) => {
  const size = frames.shape[1];
  const at = Math.min(k, frames.shape[0] - 1) * size;
  return frames.subarray(at, at + size);
};

/** The mixture of two neighbouring rows. */
function between(frames, k, t) {
  const [a, b] = [row(frames, k), row(frames, k + 1)];
  return Float32Array.from(a, (value, i) => value + (b[i] - value) * t);
}
