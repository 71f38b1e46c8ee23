// What the browser tests look up in the page. Loaded into each page as `probes`.
window.probes = (() => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });

  function rgb(colour, under) {
    for (pen.fillStyle of [under, colour]) pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  }

  function luminance(channels) {
    const [r, g, b] = channels.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  /** The colour behind an element: the backgrounds of all it lies in, on white. */
  function ground(element) {
    const chain = [];
    for (let e = element; e; e = e.parentElement) chain.unshift(getComputedStyle(e).backgroundColor);
    return chain.reduce((under, colour) => `rgb(${rgb(colour, under)})`, "white");
  }

  /** The lowest contrast of any text on the stage: [ratio, class, text]. */
  function worstContrast() {
    const texts = [...document.querySelectorAll(".wd-stage :is(h3, dt, dd, span, p, label, button)")];
    const shown = texts.filter((e) => e.offsetParent && e.textContent.trim());
    const contrast = (e) => {
      const under = ground(e);
      const [a, b] = [luminance(rgb(getComputedStyle(e).color, under)), luminance(rgb(under, "white"))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.className, e.textContent.slice(0, 30)];
    };
    return shown.map(contrast).sort((a, b) => a[0] - b[0])[0];
  }

  /** How many cards reach beyond the window, or hold something wider than themselves. */
  function tooWide() {
    const over = (card) => card.getBoundingClientRect().right > innerWidth + 1 || card.scrollWidth > card.clientWidth + 1;
    return [...document.querySelectorAll(".wd-card")].filter(over).length;
  }

  /** How many different colours a decision map holds, coarsely. */
  function colours(selector) {
    const canvas = document.querySelector(selector);
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const seen = new Set();
    for (let i = 0; i < data.length; i += 16) seen.add([data[i] >> 4, data[i + 1] >> 4, data[i + 2] >> 4].join());
    return seen.size;
  }

  /** From now on: remembers the nodes of the figures, and counts frames, and frames in which a figure is missing or empty. */
  function watch() {
    const seen = { nodes: [...document.querySelectorAll(".wd-card, .js-plotly-plot, .wd-map, .js-plotly-plot .main-svg")], frames: 0, blank: 0 };
    const count = document.querySelectorAll(".js-plotly-plot").length;
    const whole = (plot) => plot.clientHeight && plot.querySelector(".cartesianlayer .subplot");
    const look = () => {
      const plots = [...document.querySelectorAll(".js-plotly-plot")];
      seen.frames += 1;
      if (plots.length !== count || !plots.every(whole)) seen.blank += 1;
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    window.probes.seen = () => ({ frames: seen.frames, blank: seen.blank, lost: seen.nodes.filter((n) => !n.isConnected).length });
  }

  return { worstContrast, tooWide, colours, watch };
})();
