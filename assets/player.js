// Playback of a recorded training: one time axis for all figures, drawn in the browser alone.

import { button, make, setText } from "./dom.js";

const WHOLE_MS = 7000; // from the first to the last step at speed 1
const SPEEDS = [0.25, 0.5, 1, 2, 4];
const STILL_MS = 500; // from frame to frame where motion is to be reduced
const reduced = matchMedia("(prefers-reduced-motion: reduce)");
const ICONS = {
  back: "M14 4v12l-8-6zM5 4v12H3V4z",
  play: "M5 3v14l12-7z",
  pause: "M5 3h4v14H5zm6 0h4v14h-4z",
  step: "M6 4v12l8-6zm9 0v12h2V4z",
};

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export class Player {
  constructor(stage, parent) {
    this.stage = stage;
    this.at = null; // the step that is shown; null is the end
    this.playing = false;
    this.wanted = null; // what to do once the film is there
    this.build(parent);
  }

  build(parent) {
    const root = (this.root = make("div", "wd-player", parent, { role: "group", ariaLabel: "Playback of the training" }));
    const press = (name, label, onclick) => {
      const element = button(root, "", onclick, { ariaLabel: label, title: label });
      element.append(icon(name));
      return element;
    };
    press("back", "Step back (left arrow)", () => this.step(-1));
    this.playButton = press("play", "Play (space)", () => this.toggle());
    press("step", "Step forward (right arrow)", () => this.step(1));
    this.scrub = make("input", "wd-scrub", root, { type: "range", min: 0, step: 1, ariaLabel: "Training step" });
    this.scrub.oninput = () => { this.pause(); this.seek(+this.scrub.value); };
    this.label = make("span", "wd-step", root);
    const speed = make("label", "wd-speed", root, { textContent: "speed" });
    this.speed = make("select", "", speed);
    for (const value of SPEEDS) this.speed.append(new Option(String(value), value, value === 1, value === 1));
    this.switcher = make("span", "wd-switcher", root);
    this.switchHere = button(this.switcher, "Change decay from here", () => this.putSwitch());
    this.switched = make("span", "", this.switcher);
    this.unswitch = button(this.switcher, "Remove", () => this.stage.ask({ put: { switch_at: "0", decay_after: "0" } }), {
      ariaLabel: "Remove the change of decay",
    });
  }

  get reel() {
    const { reel, body } = this.stage;
    return reel && reel.scene === body.scene ? reel : null;
  }

  /** Frames of the arm that trained longest. */
  get frames() {
    return Object.values(this.reel.steps).reduce((a, b) => (b[b.length - 1] > a[a.length - 1] ? b : a));
  }

  update(body) {
    this.root.hidden = !body.scene; // nothing to play
    this.scrub.max = this.steps = body.steps;
    if (!this.reel && this.at !== null) this.leave(); // another training: its end is the news
    const { words } = body.switch;
    setText(this.switched, words);
    this.switched.hidden = this.unswitch.hidden = !words;
    this.switchHere.hidden = Boolean(words);
    if (this.wanted) this.filmOrNot(body);
    this.showPlace();
  }

  /** What to do with a wish for the film, now that something has come. */
  filmOrNot(body) {
    const { wanted } = this;
    if (this.reel || body.scene !== this.wantedOf) this.wanted = null; // the film, or another training
    if (this.reel) wanted();
    else if (this.wanted && this.stage.settled) this.stage.ask({ film: body.scene }); // it was lost on the way
  }

  giveUp() {
    this.wanted = null;
    this.showPlace();
  }

  showPlace() {
    const at = this.at ?? this.steps;
    this.scrub.value = Math.round(at);
    this.scrub.style.setProperty("--wd-at", at / this.steps);
    const text = this.wanted ? "recording…" : `step ${Math.round(at)} of ${this.steps}`;
    this.scrub.ariaValueText = text;
    setText(this.label, text);
    const possible = this.at !== null && this.switchStep() > 0 && this.switchStep() < this.steps;
    this.switchHere.disabled = !possible;
    this.switchHere.title = possible ? "" : "First pause or move the training to a step.";
  }

  /** Does something that needs the film, and asks for it where it is not there yet. */
  withFilm(action) {
    if (!this.stage.body.scene) return;
    if (this.reel) { action(); return; }
    this.wantedOf = this.stage.body.scene;
    if (!this.wanted) this.stage.ask({ film: this.wantedOf });
    this.wanted = action;
    this.showPlace();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.withFilm(() => this.play());
  }

  play() {
    this.playing = true;
    this.showButton();
    let u = Math.sqrt((this.at ?? 0) / this.steps); // slow at the start, where most happens, as the frames are spaced
    let last = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      const passed = (now - last) * this.speed.value;
      if (!reduced.matches) {
        last = now;
        u += passed / WHOLE_MS;
      } else if (passed >= STILL_MS) {
        last = now;
        u += 1 / (this.frames.length - 1);
      }
      if (u >= 1) { this.pause(); this.leave(); return; }
      this.show(u * u * this.steps);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    this.showButton();
  }

  showButton() {
    const name = this.playing ? "pause" : "play";
    if (this.playButton.dataset.shows === name) return;
    this.playButton.dataset.shows = name;
    this.playButton.replaceChildren(icon(name));
    this.playButton.ariaLabel = this.playButton.title = this.playing ? "Pause (space)" : "Play (space)";
  }

  step(by) {
    this.pause();
    this.withFilm(() => {
      const { frames } = this;
      const at = this.at ?? this.steps;
      const next = by > 0 ? frames.find((step) => step > at) : frames.findLast((step) => step < at);
      if (next !== undefined) this.seek(next);
    });
  }

  seek(step) {
    this.withFilm(() => (step >= this.frames.at(-1) ? this.leave() : this.show(step)));
  }

  show(step) {
    this.at = step;
    const { stage } = this;
    for (const card of stage.cards.values()) card.showFrame(this.reel, step, stage.theme, !reduced.matches);
    this.showPlace();
    stage.root.dataset.step = Math.round(step);
    stage.announce("wd:frame", { step });
  }

  /** To the end: the pictures after training, with all seeds. */
  leave() {
    this.at = null;
    this.playing = false;
    this.showButton();
    delete this.stage.root.dataset.step;
    for (const card of this.stage.cards.values()) card.showEnd();
    this.showPlace();
  }

  /** Draws the current frame once more, after a figure has changed its size or axes. */
  again(card) {
    if (this.at !== null && this.reel) card.showFrame(this.reel, this.at, this.stage.theme, !reduced.matches);
  }

  switchStep() {
    const { every } = this.stage.body.switch;
    return Math.round((this.at ?? 0) / every) * every;
  }

  putSwitch() {
    this.stage.ask({ put: { switch_at: String(this.switchStep()), decay_after: this.stage.body.switch.to } });
  }
}
