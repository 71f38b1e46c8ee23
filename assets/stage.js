// The stage: cards with live pictures and the controls that move them, built once and then changed in place.
// wdviz/ui/stage.py describes what the server sends and what may be asked of it.

import { attend } from "./around.js";
import { Card } from "./card.js";
import { Controls } from "./controls.js";
import { button, keepTall, load, make, nextFrame, setRich, setText, updateOffers } from "./dom.js";
import { Editor } from "./edit.js";
import { Player } from "./player.js";
import { Presenter } from "./present.js";
import { Progress } from "./progress.js";
import { openShare } from "./share.js";
import { readTheme } from "./theme.js";
import { Wire } from "./wire.js";

const stages = new WeakMap(); // host element -> stage
const SILENCE_MS = 4_000; // after which the visitor is told that an answer is waited for
const PATIENCE_MS = 10_000; // and after which it is asked for once more
// Upright, or on its side. With a keyboard over it an upright one is too low for what stays in reach.
const phone = matchMedia("(max-width: 759.98px) and (min-height: 480px), (min-width: 600px) and (max-width: 959.98px) and (max-height: 479.98px)");
const LEAST = 256; // pixels of a figure's height in front of a class, if it does not ask for more
const OVERTAKEN_S = 0.3; // after which a stage asks again that was told to wait for another wish, and has none

attend();

/** Called by Streamlit on each change of data or theme. */
export default function receive(component, urls) {
  const host = component.parentElement;
  if (!stages.has(host)) stages.set(host, new Stage(host, urls));
  stages.get(host).receive(component);
  // Streamlit also runs this clean-up after a call that a newer one overtook: only a host that has left the page is taken down.
  return () => setTimeout(() => host.isConnected || takeDown(host));
}

/** Whether a wish is for more of the same alone. */
function merely({ more, live, put, ...others }) {
  return Boolean(more) && !live && !Object.keys(put).length && !Object.keys(others).length;
}

function takeDown(host) {
  stages.get(host)?.remove();
  stages.delete(host);
}

class Stage {
  constructor(host, urls) {
    Object.assign(this, { host, urls, wire: new Wire(), cards: new Map(), shown: {}, editing: false });
    Object.assign(this, { body: null, reel: null, fresh: false, busy: false, updates: 0 });
    Object.assign(this, { wish: null, sent: 0, waiting: 0, reading: Promise.resolve() });
    this.build();
  }

  build() {
    const root = (this.root = make("div", "wd-stage", null));
    root.dataset.updates = 0;
    this.answer = make("p", "wd-answer", root, { role: "status", ariaLive: "polite" });
    this.controls = new Controls(this, root);
    this.notes = make("div", "wd-notes", root, { role: "alert" });
    const line = (this.line = make("div", "wd-line", root));
    this.status = make("div", "wd-status", line, { role: "status", ariaLive: "polite" });
    this.progress = new Progress(this, line);
    this.tools = make("div", "wd-tools", line, { role: "group", ariaLabel: "Tools" });
    this.editor = new Editor(this, root);
    this.grid = make("div", "wd-grid", root);
    this.dock = make("div", "wd-dock", root); // stays in reach while one looks at the figures
    this.player = new Player(this, this.dock);
    this.presenter = new Presenter(this, this.dock);
    this.offers = make("span", "wd-tools", this.tools);
    this.editButton = button(this.tools, "Edit points", () => this.editor.toggle(), { title: "E" });
    this.testButton = button(this.tools, "Test points", () => this.presenter.toggle("test_points"));
    this.contrastButton = button(this.tools, "High contrast", () => this.presenter.toggle("contrast"), { title: "H" });
    this.presentButton = button(this.tools, "Present", () => this.presenter.toggle("present"), { title: "P" });
    button(this.tools, "Share", () => openShare(root, { href: location.href, qr: new URL(this.urls.qr, location.origin).href }));
    this.controls.root.hidden = this.tools.hidden = this.dock.hidden = true; // until there is something to show
    this.onResize = () => (this.presenter.on || this.onPhone !== phone.matches) && this.repaint();
    addEventListener("resize", this.onResize);
  }

  remove() {
    for (const card of this.cards.values()) card.remove();
    this.presenter.remove();
    removeEventListener("resize", this.onResize);
    for (const timer of [this.pause, this.timer, this.silence]) clearTimeout(timer);
    this.root.remove();
  }

  announce(name, detail) {
    this.root.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  /** A word to the visitor that no answer of the server carries. */
  say(text) {
    setText(this.status, text);
  }

  // --- what is asked of the server -----------------------------------------------------------------------------------------------

  /**
   * Asks for a change: at once if nothing is under way, else as soon as that is answered. Only the latest wishes are ever sent.
   * What merely asks for more of the same is overtaken by all else: the server then leaves it.
   */
  ask({ put = {}, live = false, ...others }) {
    this.wish ??= { put: {} };
    Object.assign(this.wish.put, put);
    Object.assign(this.wish, others, { live });
    this.send();
  }

  send() {
    if (!this.wish || (this.waiting && !(merely(this.last) && !merely(this.wish)))) return;
    this.moving = Boolean(this.wish.live);
    const picked = [...this.cards.values()].map((card) => [card.panel.name, card.picked]);
    const message = { id: (this.sent += 1), have: this.wire.acknowledge(), picked: Object.fromEntries(picked), ...this.wish };
    this.last = this.wish;
    this.wish = null;
    this.waiting = message.id;
    for (const timer of [this.timer, this.silence]) clearTimeout(timer);
    this.timer = setTimeout(() => this.waiting && this.askOnceMore(), PATIENCE_MS);
    this.silence = setTimeout(() => this.waiting && this.sayWaiting(), SILENCE_MS);
    this.component.setTriggerValue("ask", message);
  }

  /** No answer came: asks for what was wanted, and for what has been wanted since. */
  askOnceMore() {
    this.waiting = 0;
    this.wish = { ...this.last, ...this.wish, put: { ...this.last.put, ...this.wish?.put } };
    this.send();
  }

  sayWaiting() {
    this.silent = true;
    this.say(navigator.onLine ? "Waiting for the server." : "There is no connection. What you change follows when it is back.");
  }

  // --- what the server says ------------------------------------------------------------------------------------------------------

  receive(component) {
    this.component = component;
    if (component.data === this.data) { this.repaint(); return; } // the theme has changed
    this.data = component.data;
    this.reading = this.reading.then(() => this.read(component.data)).catch(console.error); // one after the other
  }

  async read(data) {
    const body = await this.wire.open(data);
    if (!body) { this.startAnew(); return; }
    if (body.ask >= this.waiting) this.waiting = 0;
    if (this.silent) this.say(this.body?.status ?? "");
    this.silent = false;
    this.announce("wd:answered", { ask: body.ask });
    if (body.hold) { this.hold(body.hold); return; }
    if (body.reel) this.reel = { ...body.reel, scene: body.scene };
    this.body = body;
    this.settled = !this.waiting && !this.wish; // else the controls are ahead of what this shows
    if (this.settled) this.shown = { ...body.shown };
    this.send(); // before painting, so that server and browser work at the same time
    this.repaint();
  }

  /** Something is missing: asks once more for what was wanted, and for all of it. */
  startAnew() {
    this.wire = new Wire();
    this.waiting = 0;
    this.ask({ ...this.last });
  }

  /** Nothing new to show: the last picture stays, beside what went wrong or what is waited for. */
  async hold({ trouble, status, again }) {
    if (trouble) setText(this.notes, trouble);
    if (status || !this.body) setText(this.status, status);
    if (trouble && this.body) this.player.giveUp();
    if (trouble || status) await this.appear(); // a stage that is not on the page asks for nothing
    // Held for a newer wish that is not this stage's: whatever else made the page run again may have left the stage out.
    const overtaken = !trouble && !status && !this.waiting && !this.wish;
    if (again !== null || overtaken) this.later(again ?? OVERTAKEN_S);
    this.send();
  }

  /** Asks for more in so many seconds, give or take a quarter, so that not all browsers ask at once. */
  later(seconds) {
    clearTimeout(this.pause);
    const ask = () => this.wish || this.waiting || !this.host.isConnected || this.ask({ more: true });
    if (seconds) this.pause = setTimeout(ask, seconds * (750 + 500 * Math.random()));
    else ask();
  }

  /** Puts the stage on the page, once it has its styles. */
  async appear() {
    await Promise.all(this.urls.css.map((url) => load(new URL(url, location.origin).href))).catch(console.error);
    if (!this.root.isConnected) this.host.append(this.root);
  }

  repaint() {
    this.fresh = true;
    if (this.body && !this.busy) this.run();
  }

  /** Paints until nothing is new. A picture that is overtaken while its figures are drawn is left for the next. */
  async run() {
    this.busy = true;
    try {
      await this.appear();
      while (this.fresh) await this.paint();
    } finally {
      this.busy = false; // at once when the loop ends, so that no call falls between
    }
  }

  async paint() {
    const started = performance.now();
    const { body } = this;
    this.fresh = false;
    this.update(body);
    for (const card of this.shownCards()) card.sketch(this.theme);
    await nextFrame(); // the maps are seen before the figures take the processor
    this.announce("wd:sketched", { result: body.result });
    if (!window.Plotly) await load(new URL(this.urls.plotly, location.origin).href).catch(console.error);
    if (!window.Plotly) this.say("The figures could not be loaded. Please reload the page.");
    if (!window.Plotly) return;
    // The one that waits for longest first, so that each gets its turn while one drags.
    const stale = this.shownCards().filter((card) => card.isStale(this.theme)).sort((a, b) => a.drawnAt - b.drawnAt);
    for (const card of stale) {
      if (this.fresh) return;
      await card.draw(this.theme);
      do await nextFrame(); while (this.moving && this.waiting && !this.fresh); // one for each picture while the hand moves
    }
    if (this.fresh) return;
    await nextFrame();
    this.finish(body, performance.now() - started);
  }

  finish(body, ms) {
    this.updates += 1;
    Object.assign(this.root.dataset, { updates: this.updates, result: body.result, status: body.progress?.words ?? body.status });
    if (body.more && this.asked !== body && !this.wish && !this.waiting) {
      this.asked = body; // a repaint of the same picture asks for nothing
      this.later(body.again);
    }
    this.announce("wd:painted", { updates: this.updates, result: body.result, ms });
  }

  update(body) {
    const { presenter } = this;
    this.root.toggleAttribute("data-embed", body.embedded);
    this.onPhone = phone.matches;
    this.root.toggleAttribute("data-phone", this.onPhone && !body.embedded);
    const present = presenter.on;
    if (this.root.hasAttribute("data-present") !== present || this.contrast !== this.shown.contrast) {
      this.contrast = this.shown.contrast;
      presenter.show();
    }
    if (this.settled) presenter.follow(body.step);
    const beside = present ? this.controls.readout : this.notes; // presented, it takes no height from the figures
    if (beside.nextSibling !== this.line) beside.after(this.line);
    this.theme = readTheme(this.root, Boolean(this.shown.contrast));
    keepTall(this.answer, this.moving, () => setRich(this.answer, body.answer));
    setText(this.notes, body.notes.join(" "));
    setText(this.status, body.status);
    this.controls.root.hidden = this.tools.hidden = false;
    this.progress.update(body.progress);
    updateOffers(this.offers, body.offers, this);
    this.controls.update(body, this.settled, this.onPhone && !body.embedded ? this.dock : null);
    this.updateCards(body.panels);
    this.editor.update(body.points, this.settled);
    this.player.update(body);
    this.dock.hidden = !body.scene && !this.presenter.on && !this.controls.docked;
    this.updateTools();
  }

  updateTools() {
    const pressed = [[this.editButton, this.editing], [this.testButton, this.shown.test_points]];
    pressed.push([this.contrastButton, this.shown.contrast], [this.presentButton, this.presenter.on]);
    for (const [element, on] of pressed) element.ariaPressed = String(Boolean(on));
    this.editButton.hidden = this.testButton.hidden = !this.body.points;
    this.presentButton.hidden = this.onPhone && !this.presenter.on;
    this.editButton.ariaDisabled = String(!this.editor.possible);
    this.editButton.title = this.editor.possible ? "E" : (this.editor.points?.whyNot ?? "");
  }

  setEditing(on) {
    this.editing = on;
    this.root.toggleAttribute("data-editing", on);
    this.repaint();
  }

  updateCards(panels) {
    const names = new Set(panels.map((panel) => panel.name));
    for (const [name, card] of this.cards) if (!names.has(name)) { card.remove(); this.cards.delete(name); }
    const medium = mediumSpans(panels);
    panels.forEach((panel, i) => {
      let card = this.cards.get(panel.name);
      if (!card) this.cards.set(panel.name, (card = new Card(this)));
      if (this.grid.children[i] !== card.root) this.grid.insertBefore(card.root, this.grid.children[i] ?? null);
      card.update(panel, medium[i]);
    });
  }

  shownCards() {
    return [...this.cards.values()].filter((card) => !card.root.hidden);
  }

  /** Draws one card anew, after its own controls were used. */
  async redraw(card) {
    card.showEnd();
    if (!window.Plotly) return;
    await card.draw(this.theme);
    this.player.again(card);
  }

  /** After plotly.js has put the axes of a card somewhere. */
  placed(card) {
    card.place();
    this.editor.placed(card);
    this.player.again(card);
  }

  /** Height of a card's picture. Presented, what is shown first fills the screen. */
  heightOf({ panel, view, figure, small }) {
    const { on, solo } = this.presenter;
    if (small) return figure.clientWidth;
    if (!on) return panel.height;
    const scrolled = this.root.closest("[data-testid=stMain]")?.scrollTop ?? 0;
    const left = innerHeight - figure.getBoundingClientRect().top - scrolled - this.dock.offsetHeight - 44;
    if (panel.tone || solo) return Math.round(Math.min(Math.max(left, 200), 900));
    const least = view.figure?.layout.meta?.least ?? LEAST;
    const usual = Math.max(innerHeight * 0.42, least);
    return Math.round(left > 0 ? Math.max(Math.min(usual, left), least) : usual);
  }
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

function lonely(panels, from, to) {
  for (let i = from; i < to; i += 1) if (panels[i].span < 6) return (i - from) % 2 ? from : i;
  return to - 1;
}
