// How far a long sweep is, and the button that stops it or lets it go on.

import { button, make, setText } from "./dom.js";

export class Progress {
  constructor(stage, parent) {
    this.root = make("div", "wd-progress", parent, { hidden: true });
    this.bar = make("progress", "", this.root, { ariaLabel: "Trainings finished" });
    this.words = make("span", "", this.root);
    this.button = button(this.root, "Stop", () => {
      stage.ask({ stop: !this.stopped });
      this.button.disabled = true; // until that is answered
    });
  }

  update(progress) {
    this.root.hidden = !progress;
    if (!progress) return;
    const { done, total, words, stopped } = progress;
    Object.assign(this.bar, { max: total, value: done });
    this.stopped = stopped;
    setText(this.words, words);
    setText(this.button, stopped ? "Continue" : "Stop");
    this.button.disabled = false;
  }
}
