// Ways to show the stage: presenter mode, one figure at a time, high contrast; and the keys for them and for playback.

import { button, make, setText } from "./dom.js";

const OWN_KEYS = "input:not([type=range]), select, textarea, [contenteditable=true], [role=application], [role=slider], [role=combobox], [role=listbox], dialog";
const OWN_SPACE = "button, a, summary, [role=button], [role=tab], [role=option], [role=checkbox], [role=switch]";

export class Presenter {
  constructor(stage, parent) {
    this.stage = stage;
    this.place = 0; // step of the presentation
    this.changed = false; // whether the settings are the visitor's own, not those of the step
    this.solo = null; // name of the only card that is shown
    this.root = make("div", "wd-caption", parent, { role: "group", ariaLabel: "Presentation" });
    this.prev = button(this.root, "Back", () => this.go(-1), { title: "Page up, or B" });
    this.words = make("p", "wd-caption-words", this.root, { role: "status" });
    this.again = button(this.root, "Again", () => this.goTo(this.place));
    this.next = button(this.root, "Next", () => this.go(1), { title: "Page down, or N" });
    this.one = button(this.root, "One figure", () => this.nextFigure(), { title: "F: the next figure alone; L: all figures" });
    this.leave = button(this.root, "Leave", () => this.set("present", false), { title: "Escape, or P" });
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
  }

  remove() {
    document.removeEventListener("keydown", this.onKey);
    delete document.documentElement.dataset.wdPresent;
    delete document.documentElement.dataset.wdContrast;
  }

  get on() {
    return Boolean(this.stage.shown.present) && !this.stage.body.embedded;
  }

  /** A view option, at once, and in the address as soon as the server has it. */
  set(name, value) {
    this.stage.shown[name] = value;
    this.show();
    this.stage.ask({ put: { [name]: value ? "1" : "0" } });
  }

  toggle(name) {
    this.set(name, !this.stage.shown[name]);
  }

  show() {
    const { stage } = this;
    const page = document.documentElement;
    page.toggleAttribute("data-wd-present", this.on);
    page.toggleAttribute("data-wd-contrast", Boolean(stage.shown.contrast));
    stage.root.toggleAttribute("data-present", this.on);
    if (!this.on) this.solo = null;
    this.root.hidden = !this.on;
    stage.root.toggleAttribute("data-solo", Boolean(this.solo));
    for (const [name, card] of stage.cards) card.root.hidden = Boolean(this.solo) && name !== this.solo;
    this.one.ariaPressed = String(Boolean(this.solo));
    this.say();
    stage.repaint();
  }

  /** The step whose settings are shown, by its place and its words; of settings of the visitor's own, none. */
  say() {
    const { notice } = this.stage.body;
    const step = `${this.place + 1} of ${notice.length}`;
    setText(this.words, notice.length ? (this.changed ? "Your own settings" : `${step}: ${notice[this.place]}`) : "");
    setText(this.next, this.place === notice.length - 1 ? "Next page" : "Next");
    this.again.hidden = !this.changed;
    this.again.title = `A: step ${step}, as it was`;
  }

  /** The server says which step the settings belong to, null for none: after a reload, a link or a change by hand. */
  follow(step) {
    this.changed = step === null;
    this.place = step ?? this.place;
    this.say();
  }

  /** To the next step or the one before; beyond the last one to the next page, before the first one to the page before. */
  go(by) {
    const place = this.place + by;
    if (place >= 0 && place < this.stage.body.notice.length) this.goTo(place);
    else this.turn((at) => at + by);
  }

  goTo(place) {
    this.place = place;
    this.changed = false;
    this.stage.ask({ notice: place });
    this.show();
  }

  /** Another page, which then shows its first step. The links are those of the sidebar, hidden now. */
  turn(choose) {
    const links = [...document.querySelectorAll("[data-testid=stSidebarNavLink]")];
    const here = links.findIndex((link) => link.matches("[aria-current=page]"));
    const wanted = choose(here);
    if (wanted === here) this.goTo(0);
    else links[wanted]?.click();
  }

  nextFigure() {
    const names = [...this.stage.cards.keys()];
    this.solo = names[names.indexOf(this.solo) + 1] ?? null;
    this.show();
  }

  allFigures() {
    this.solo = null;
    this.show();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const inside = (selector) => event.target instanceof Element && event.target.closest(selector);
    if (inside(OWN_KEYS) && !(event.key === "Escape" && this.on) && !event.key.startsWith("Page")) return;
    if (event.key === " " && inside(OWN_SPACE)) return;
    if (inside("input[type=range]") && event.key !== " " && event.key.length > 1) return; // arrows and the like move the slider
    const { player, editor } = this.stage;
    const actions = {
      " ": () => player.toggle(),
      ArrowLeft: () => player.step(-1),
      ArrowRight: () => player.step(1),
      p: () => this.toggle("present"),
      h: () => this.toggle("contrast"),
      e: () => editor.toggle(),
      ...(this.on && {
        ...Object.fromEntries(Array.from({ length: 9 }, (_, page) => [page + 1, () => this.turn(() => page)])),
        PageDown: () => this.go(1),
        PageUp: () => this.go(-1),
        n: () => this.go(1),
        b: () => this.go(-1),
        a: () => this.goTo(this.place),
        f: () => this.nextFigure(),
        l: () => this.allFigures(),
        Escape: () => this.set("present", false),
      }),
    };
    const action = this.stage.body && !this.stage.body.embedded && actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}
