// Editing the training points by hand: click adds, shift-click removes the nearest, drag moves; all of it by keyboard too.

import { button, make, setText } from "./dom.js";

const NEAR = 14; // pixels within which the pointer takes hold of a point
const MOST_UNDO = 100;
const REACH = 20; // the server takes coordinates from -20 to 20

const rounded = (value) => Math.round(Math.min(Math.max(value, -REACH), REACH) * 100) / 100;

/** Points as the server gave them, changed by hand; `text` is the edits as they stand in the address. */
class Model {
  constructor({ xy, refs, labels, text }) {
    this.points = Array.from(refs, (ref, i) => ({ ref, x: xy[2 * i], y: xy[2 * i + 1], label: labels[i] }));
    const items = text ? text.split("~") : [];
    this.removed = items.filter((item) => item[0] === "r").map((item) => +item.slice(1));
    this.added = items.filter((item) => item[0] === "a");
  }

  get text() {
    return [...this.removed.toSorted((a, b) => a - b).map((index) => `r${index}`), ...this.added].join("~");
  }

  add(x, y, label) {
    const point = { ref: -1 - this.added.length, x: rounded(x), y: rounded(y), label };
    this.added.push(`a${point.x}_${point.y}_${label}`);
    this.points.push(point);
    return point;
  }

  remove(point) {
    if (point.ref >= 0) this.removed.push(point.ref);
    else {
      this.added.splice(-1 - point.ref, 1);
      for (const other of this.points) if (other.ref < point.ref) other.ref += 1;
    }
    this.points.splice(this.points.indexOf(point), 1);
  }

  /** The moved point: one that was drawn becomes an added one. */
  move(point, x, y) {
    if (point.ref >= 0) {
      this.remove(point);
      return this.add(x, y, point.label);
    }
    Object.assign(point, { x: rounded(x), y: rounded(y) });
    this.added[-1 - point.ref] = `a${point.x}_${point.y}_${point.label}`;
    return point;
  }
}

export class Editor {
  constructor(stage, parent) {
    this.stage = stage;
    this.undone = []; // texts to go back to
    this.overlays = new Map(); // card -> its overlay
    this.tool = 0; // label of the class to add, or "remove"
    this.root = make("div", "wd-strip", parent, { hidden: true, role: "group", ariaLabel: "Edit the training points" });
    this.tools = make("span", "wd-tools", this.root, { role: "group", ariaLabel: "What a click does" });
    this.undo = button(this.root, "Undo", () => this.back());
    this.clear = button(this.root, "Clear edits", () => { this.remember(this.model.text); this.put(""); });
    this.count = make("span", "wd-mute", this.root);
    this.hint = make("span", "wd-mute", this.root, {
      id: "wd-edit-hint",
      textContent: "Click adds, shift-click removes the nearest, drag moves. Keys: arrows, Enter, Delete, M to move.",
    });
  }

  get possible() {
    return Boolean(this.points && !this.points.whyNot);
  }

  update(points, settled) {
    if (this.points === points || (!settled && this.model)) return;
    this.points = points;
    if (!this.possible) { this.close(); return; }
    if (!this.held) this.model = new Model(points);
    this.buildTools();
    this.showCount();
  }

  buildTools() {
    const { classes, colours } = this.points;
    const names = [...classes.keys(), "remove"];
    if (!names.includes(this.tool)) this.tool = 0;
    if (this.tools.dataset.of !== classes.join()) {
      this.tools.dataset.of = classes.join();
      this.undone = []; // they are edits of another data set
      this.tools.replaceChildren(...names.map((tool) => {
        const text = tool === "remove" ? "Remove" : classes.length > 1 ? `Add ${classes[tool]}` : "Add a point";
        const element = button(null, text, () => { this.tool = tool; this.showTool(); });
        element.dataset.tool = tool;
        if (tool !== "remove") {
          const dot = make("i", "wd-dot", null, { ariaHidden: "true" });
          dot.style.background = colours[tool];
          element.prepend(dot);
        }
        return element;
      }));
    }
    this.showTool();
  }

  showTool() {
    for (const element of this.tools.children) element.ariaPressed = String(element.dataset.tool === String(this.tool));
  }

  showCount() {
    setText(this.count, `${this.model.points.length} training points`);
    this.undo.disabled = !this.undone.length;
    this.clear.disabled = !this.model.text;
  }

  toggle() {
    if (this.stage.editing) this.close();
    else this.open();
  }

  open() {
    if (!this.possible) { this.stage.say(this.points?.whyNot ?? ""); return; }
    this.stage.player.leave();
    this.stage.setEditing(true);
    this.root.hidden = false;
    for (const card of this.stage.cards.values()) if (card.panel.tone) this.overlays.set(card, new Overlay(this, card));
  }

  close() {
    if (!this.stage.editing) return;
    this.root.hidden = true;
    for (const overlay of this.overlays.values()) overlay.root.remove();
    this.overlays.clear();
    this.stage.setEditing(false);
  }

  /** Puts the overlay of a card over its axes, wherever they are now. */
  placed(card) {
    this.overlays.get(card)?.place();
  }

  remember(text) {
    this.undone.push(text);
    if (this.undone.length > MOST_UNDO) this.undone.shift();
  }

  put(text, live = false) {
    this.stage.ask({ put: { edits: text }, live });
    this.showCount();
  }

  back() {
    if (this.undone.length) this.stage.ask({ put: { edits: this.undone.pop() } });
    this.showCount();
  }

  /** Carries out the tool, or a removal, at a place. */
  act(overlay, x, y, remove) {
    const before = this.model.text;
    const { most, least } = this.points;
    const taking = remove || this.tool === "remove";
    if (taking && this.model.points.length <= least) { this.stage.say(`There must be at least ${least} training points.`); return; }
    if (!taking && this.model.points.length >= most) { this.stage.say(`There are ${most} training points, the most possible.`); return; }
    if (taking) this.model.remove(overlay.nearest(x, y).point);
    else this.model.add(x, y, this.tool);
    this.remember(before);
    this.put(this.model.text);
  }

  /** The training point nearest to a place in data coordinates; distances count in pixels, by the scales given. */
  nearest(x, y, scaleX, scaleY) {
    let [point, distance] = [null, Infinity];
    for (const other of this.model.points) {
      const there = Math.hypot((other.x - x) * scaleX, (other.y - y) * scaleY);
      if (there < distance) [point, distance] = [other, there];
    }
    return { point, distance };
  }
}

/** What lies over one decision map while its points can be edited. */
class Overlay {
  constructor(editor, card) {
    Object.assign(this, { editor, card, start: null, hold: null, cross: { x: 0.5, y: 0.5 } });
    const root = (this.root = make("div", "wd-edit", card.frame, { tabIndex: 0, role: "application" }));
    root.ariaLabel = `Training points, ${card.panel.title}. Arrows move the cross, Enter adds, Delete removes the nearest, M moves it.`;
    root.setAttribute("aria-describedby", "wd-edit-hint");
    this.mark = make("div", "wd-cross", root);
    this.ghost = make("div", "wd-ghost", root, { hidden: true });
    root.onpointerdown = (event) => this.down(event);
    root.onpointermove = (event) => this.moved(event);
    root.onpointerup = (event) => this.up(event);
    root.onpointercancel = () => this.cancelled();
    // No text is selected by shift-click, and none dragged away; the focus has then to be set by hand.
    root.onmousedown = (event) => { event.preventDefault(); root.focus({ preventScroll: true, focusVisible: false }); };
    root.onkeydown = (event) => this.key(event);
    this.place();
  }

  place() {
    const { xaxis, yaxis } = this.card.axes ?? {};
    if (!xaxis) return;
    Object.assign(this.root.style, {
      left: `${xaxis._offset}px`, top: `${yaxis._offset}px`, width: `${xaxis._length}px`, height: `${yaxis._length}px`,
    });
    this.showCross();
  }

  at(event) {
    const box = this.root.getBoundingClientRect();
    return this.data(event.clientX - box.left, event.clientY - box.top);
  }

  data(px, py) {
    const { xaxis, yaxis } = this.card.axes;
    return [xaxis.p2l(px), yaxis.p2l(py)];
  }

  nearest(x, y) {
    const { xaxis, yaxis } = this.card.axes;
    return this.editor.nearest(x, y, Math.abs(xaxis._m), Math.abs(yaxis._m));
  }

  down(event) {
    if (event.button) return;
    this.root.setPointerCapture(event.pointerId);
    const [x, y] = this.at(event);
    this.start = [event.clientX, event.clientY];
    const { point, distance } = this.nearest(x, y);
    const near = NEAR * (event.pointerType === "touch" ? 2 : 1);
    this.hold = distance <= near && !event.shiftKey && this.editor.tool !== "remove" ? point : null;
    this.before = this.editor.model.text;
    this.editor.held = this.dragged = false;
  }

  moved(event) {
    if (!this.start || !this.hold) return;
    if (!this.dragged && Math.hypot(event.clientX - this.start[0], event.clientY - this.start[1]) < 4) return;
    this.dragged = this.editor.held = true;
    const [x, y] = this.at(event);
    this.hold = this.editor.model.move(this.hold, x, y);
    this.showGhost();
    this.editor.put(this.editor.model.text, true);
  }

  up(event) {
    if (!this.start) return;
    if (this.dragged) this.release();
    else {
      this.drop();
      this.editor.act(this, ...this.at(event), event.shiftKey);
    }
  }

  cancelled() {
    if (this.dragged) this.release();
    else this.drop();
  }

  drop() {
    this.start = this.hold = null;
    this.dragged = this.editor.held = false;
    this.ghost.hidden = true;
  }

  showGhost() {
    const { xaxis, yaxis } = this.card.axes;
    this.ghost.hidden = false;
    this.ghost.style.background = this.editor.points.colours[this.hold.label];
    this.ghost.style.transform = `translate(${xaxis.l2p(this.hold.x)}px, ${yaxis.l2p(this.hold.y)}px)`;
  }

  showCross() {
    this.mark.style.transform = `translate(${this.cross.x * this.root.clientWidth}px, ${this.cross.y * this.root.clientHeight}px)`;
  }

  key(event) {
    const { editor, cross } = this;
    const step = event.shiftKey ? 0.1 : 0.02;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const here = this.data(cross.x * this.root.clientWidth, cross.y * this.root.clientHeight);
    if (moves[event.key]) {
      const [dx, dy] = moves[event.key];
      cross.x = Math.min(Math.max(cross.x + dx, 0), 1);
      cross.y = Math.min(Math.max(cross.y + dy, 0), 1);
      this.showCross();
      if (this.hold) {
        this.hold = editor.model.move(this.hold, ...this.data(cross.x * this.root.clientWidth, cross.y * this.root.clientHeight));
        this.showGhost();
        editor.put(editor.model.text, true);
      }
    } else if (event.key === "Enter" || event.key === " ") {
      if (this.hold) this.release();
      else editor.act(this, ...here, false);
    } else if (event.key === "Delete" || event.key === "Backspace") editor.act(this, ...here, true);
    else if (event.key.toLowerCase() === "m") {
      if (this.hold) this.release();
      else this.take(...here);
    } else if (event.key === "Escape" && this.hold) this.release();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  take(x, y) {
    this.before = this.editor.model.text;
    this.hold = this.nearest(x, y).point;
    this.editor.held = true;
    const { xaxis, yaxis } = this.card.axes;
    this.cross = { x: xaxis.l2p(this.hold.x) / xaxis._length, y: yaxis.l2p(this.hold.y) / yaxis._length };
    this.showCross();
    this.showGhost();
  }

  release() {
    this.drop();
    if (this.before !== this.editor.model.text) this.editor.remember(this.before);
    this.editor.put(this.editor.model.text);
  }
}
