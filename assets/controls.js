// The sliders of the stage: they stop at given values, follow the hand, and take typed values too.

import { keepTall, make, setRich, setText } from "./dom.js";

export class Controls {
  constructor(stage, parent) {
    this.stage = stage;
    this.root = make("div", "wd-bar", parent, { role: "group", ariaLabel: "Decay and learning rate" });
    this.list = make("div", "wd-sliders", this.root);
    this.readout = make("p", "wd-readout", this.root);
    this.said = make("span", "wd-said", this.readout);
    this.kind = make("span", "wd-kind", this.readout);
    this.sliders = new Map();
  }

  /** `dock`: where the slider of the decay stands, if not beside the others: on a phone, in reach of the thumb. */
  update({ sliders, readout }, mayMove, dock) {
    const names = sliders.map(({ name }) => name);
    for (const [name, slider] of this.sliders) if (!names.includes(name)) { slider.root.remove(); this.sliders.delete(name); }
    sliders.forEach((given) => {
      let slider = this.sliders.get(given.name);
      if (!slider) this.sliders.set(given.name, (slider = new Slider(this.stage, given.name)));
      slider.update(given, mayMove);
    });
    this.arrange(names, dock);
    keepTall(this.readout, this.stage.moving, () => {
      setRich(this.said, readout[0]);
      setText(this.kind, readout[1]);
    });
  }

  arrange(names, dock) {
    let at = 0;
    for (const name of names) {
      const { root } = this.sliders.get(name);
      const docked = dock && name === "decay";
      const [parent, before] = docked ? [dock, dock.firstChild] : [this.list, this.list.children[at] ?? null];
      const moves = root.parentElement !== parent || (!docked && root !== before);
      if (moves && !root.contains(document.activeElement)) parent.insertBefore(root, before); // it would lose what is typed
      if (root.parentElement === this.list) at += 1;
    }
    this.docked = Boolean(dock?.contains(this.sliders.get("decay")?.root ?? null));
  }
}

class Slider {
  constructor(stage, name) {
    this.stage = stage;
    this.name = name;
    this.held = false; // a hand is on it
    this.root = make("div", "wd-slider", null);
    this.root.dataset.name = name;
    this.label = make("label", "", this.root, { htmlFor: `wd-${name}` });
    this.range = make("input", "", this.root, { type: "range", id: `wd-${name}`, min: 0, step: 1 });
    this.box = make("input", "wd-typed", this.root, { type: "text", inputMode: "decimal", autocomplete: "off", spellcheck: false });
    const { range, box } = this;
    range.onpointerdown = () => { this.held = true; this.moved = false; };
    range.oninput = () => {
      this.show(+range.value);
      if (this.held) { this.moved = true; this.put(true); }
    };
    range.onchange = () => { if (!this.held) this.put(false); }; // a key; what the hand does ends with its release
    const release = () => {
      if (!this.held) return;
      this.held = false;
      if (this.moved) this.put(false);
    };
    for (const event of ["pointerup", "pointercancel", "blur"]) range.addEventListener(event, release);
    box.onchange = () => this.stage.ask({ put: { [name]: box.value.trim().replace(",", ".") } });
    box.onkeydown = (event) => { if (event.key === "Enter") box.blur(); };
  }

  put(live) {
    this.stage.ask({ put: { [this.name]: this.fixed.values[+this.range.value] }, live });
  }

  update({ at, fixed, spoken }, mayMove) {
    this.spoken = spoken;
    if (this.fixed !== fixed) {
      this.fixed = fixed;
      setText(this.label, fixed.label);
      this.range.title = fixed.help;
      this.range.max = fixed.values.length - 1;
      this.box.ariaLabel = `${fixed.label}, typed`;
    }
    if (mayMove && !this.held) this.range.value = at;
    this.show(+this.range.value);
  }

  show(at) {
    this.range.ariaValueText = this.spoken[at];
    this.range.style.setProperty("--wd-at", at / (this.fixed.values.length - 1));
    if (document.activeElement !== this.box) this.box.value = this.fixed.values[at];
  }
}
