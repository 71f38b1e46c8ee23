// What the browser tests look up in the page. Loaded into each page as `probes`, before any script of the app.
window.probes = (() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });

  function rgb(colour, under, alpha = 1) {
    pen.globalAlpha = 1;
    pen.fillStyle = under;
    pen.fillRect(0, 0, 1, 1);
    pen.globalAlpha = alpha;
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }

  function luminance(channels) {
    const [r, g, b] = channels.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  const lineage = (element) => { const chain = []; for (let e = element; e; e = e.parentElement) chain.unshift(e); return chain; };

  /** The colour behind an element: the backgrounds of all it lies in, on white. */
  function ground(element) {
    return lineage(element).reduce((under, e) => `rgb(${rgb(getComputedStyle(e).backgroundColor, under)})`, "white");
  }

  const svg = (e) => e.namespaceURI.endsWith("/svg");
  const shown = (e) => e.getClientRects().length && getComputedStyle(e).visibility === "visible";
  const words = (e) => (["INPUT", "SELECT"].includes(e.tagName) ? e.value : [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join("")).trim();

  /** The lowest contrast of any text on the stage, words in figures and fields included: [ratio, class, text, how many texts]. */
  function worstContrast() {
    const fields = "input[type=range], input[type=checkbox], option";
    const texts = [...document.querySelectorAll(".wd-stage *")].filter((e) => !e.matches(fields) && words(e) && shown(e));
    const contrast = (e) => {
      const style = getComputedStyle(e);
      const alpha = lineage(e).reduce((all, a) => all * getComputedStyle(a).opacity, 1) * (svg(e) ? style.fillOpacity : 1);
      const plate = svg(e) && e.closest(".annotation")?.querySelector("rect.bg"); // words on a figure may have a ground of their own
      const card = ground(e);
      const under = plate ? `rgb(${rgb(getComputedStyle(plate).fill, card, getComputedStyle(plate).fillOpacity)})` : card;
      const [a, b] = [luminance(rgb(svg(e) ? style.fill : style.color, under, alpha)), luminance(rgb(under, "white"))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.getAttribute("class") ?? e.tagName, words(e).slice(0, 30), texts.length];
    };
    return texts.map(contrast).sort((a, b) => a[0] - b[0])[0];
  }

  /** How many cards reach beyond the window, or hold something wider than themselves. */
  function tooWide() {
    const over = (card) => card.getBoundingClientRect().right > innerWidth + 1 || card.scrollWidth > card.clientWidth + 1;
    return [...document.querySelectorAll(".wd-card")].filter(over).length + (document.scrollingElement.scrollWidth > innerWidth ? 1 : 0);
  }

  const canvasData = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;

  /** How many different colours a decision map holds, coarsely. */
  function colours(selector) {
    const data = canvasData(document.querySelector(selector));
    const seen = new Set();
    for (let i = 0; i < data.length; i += 16) seen.add([data[i] >> 4, data[i + 1] >> 4, data[i + 2] >> 4].join());
    return seen.size;
  }

  /** A number for the pixels of a canvas: equal pictures have equal numbers. */
  function picture(selector) {
    const data = new Uint32Array(canvasData(document.querySelector(selector)).buffer);
    return data.reduce((sum, pixel) => (Math.imul(sum, 31) + pixel) | 0, data.length);
  }

  /** From now on: remembers the nodes of the figures, and counts frames, and frames in which a figure is missing or empty. */
  function watch() {
    const FIGURES = ".wd-card, .wd-frame, .wd-figure, .wd-figure canvas, .js-plotly-plot, .js-plotly-plot .main-svg";
    const nodes = [...document.querySelectorAll(FIGURES)];
    const plots = nodes.filter((n) => n.matches(".js-plotly-plot"));
    const maps = nodes.filter((n) => n.matches(".wd-map:not([hidden])"));
    const seen = { frames: 0, blank: 0, nodes: nodes.length, maps: maps.length };
    const drawn = (plot) => plot.clientHeight && plot.querySelector(".cartesianlayer .trace");
    const painted = (map) => map.clientHeight && map.getContext("2d").getImageData(map.width >> 1, map.height >> 1, 1, 1).data[3];
    const look = () => {
      seen.frames += 1;
      if (!plots.every(drawn) || !maps.every(painted)) seen.blank += 1;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    window.probes.seen = () => {
      const now = [...document.querySelectorAll(FIGURES)];
      return { ...seen, lost: nodes.filter((n) => !n.isConnected).length, added: now.filter((n) => !nodes.includes(n)).length };
    };
  }

  // --- what happened since the page opened -----------------------------------------------------------------------------------------

  /**
   * Asks that were sent and the last that was answered, how often one was sent before that (but one that merely asks for more of the
   * same may be overtaken), pictures, and changes of the address.
   */
  const diary = { asks: [], answered: 0, crowded: 0, sketched: [], painted: [], steps: [], addresses: [] };
  const latin = new TextDecoder("latin1");
  const decoded = (data) => (typeof data === "string" ? data : latin.decode(data));

  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    const found = /\[\{"event":"ask".*\}\]/s.exec(decoded(data));
    for (const { value } of found ? JSON.parse(found[0]) : []) {
      const last = diary.asks.at(-1);
      if (last?.id > diary.answered && (value.more || !last.more)) diary.crowded += 1;
      diary.asks.push(value);
    }
    return send.call(this, data);
  };
  for (const name of ["pushState", "replaceState"]) {
    const change = history[name];
    history[name] = function (...values) {
      change.apply(this, values);
      if (diary.addresses.at(-1) !== location.search) diary.addresses.push(location.search);
    };
  }
  document.addEventListener("wd:answered", (event) => { diary.answered = event.detail.ask; });
  document.addEventListener("wd:sketched", (event) => diary.sketched.push(event.detail.result));
  document.addEventListener("wd:painted", ({ target }) => diary.painted.push([target.dataset.result, target.dataset.status]));
  document.addEventListener("wd:frame", ({ timeStamp, detail }) => diary.steps.push([timeStamp, detail.step]));

  // --- training points -------------------------------------------------------------------------------------------------------------

  /** The training points of a panel's picture, in window pixels and in data coordinates. */
  function points(panel) {
    const card = document.querySelector(`[data-panel=${panel}]`);
    const plot = card.querySelector(".js-plotly-plot");
    const { xaxis, yaxis } = plot._fullLayout;
    const box = plot.getBoundingClientRect();
    const marks = plot.data.filter(({ mode, name }) => mode === "markers" && name !== "flipped label");
    const place = (x, y) => ({ x, y, left: box.left + xaxis._offset + xaxis.l2p(x), top: box.top + yaxis._offset + yaxis.l2p(y) });
    return marks.flatMap(({ x, y }) => Array.from(x, (at, i) => place(at, y[i])).filter((p) => p.x !== null));
  }

  /** The place over a panel's map that is furthest from all points and from its rim: window pixels and data coordinates. */
  function emptyPlace(panel) {
    const box = document.querySelector(`[data-panel=${panel}] .wd-edit`).getBoundingClientRect();
    const { xaxis, yaxis } = document.querySelector(`[data-panel=${panel}] .js-plotly-plot`)._fullLayout;
    const taken = points(panel);
    const room = (left, top) => Math.min(...taken.map((p) => Math.hypot(p.left - left, p.top - top)));
    let best = { room: -1 };
    for (let u = 0.15; u < 0.86; u += 0.05) {
      for (let v = 0.15; v < 0.86; v += 0.05) {
        const [left, top] = [Math.round(box.left + u * box.width), Math.round(box.top + v * box.height)];
        const here = { left, top, room: room(left, top), x: xaxis.p2l(left - box.left), y: yaxis.p2l(top - box.top) };
        if (here.room > best.room) best = here;
      }
    }
    return best;
  }

  /** The point of a panel that lies furthest from the others, and not at the rim. */
  function loner(panel) {
    const box = document.querySelector(`[data-panel=${panel}] .wd-edit`).getBoundingClientRect();
    const all = points(panel);
    const inside = all.filter((p) => p.left > box.left + 20 && p.left < box.right - 20 && p.top > box.top + 20 && p.top < box.bottom - 20);
    const room = (p) => Math.min(...all.filter((q) => q !== p).map((q) => Math.hypot(q.left - p.left, q.top - p.top)));
    return inside.sort((a, b) => room(b) - room(a))[0];
  }

  return { worstContrast, tooWide, colours, picture, watch, diary, points, emptyPlace, loner };
})();
