// Small helpers for elements.

export function make(tag, className, parent, properties = {}) {
  const element = Object.assign(document.createElement(tag), { className }, properties);
  parent?.append(element);
  return element;
}

export function button(parent, text, onclick, properties = {}) {
  return make("button", "wd-button", parent, { type: "button", textContent: text, onclick, ...properties });
}

/** Changes the text only where it differs: assistive technology announces every change. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Text in which **so** is bold. */
export function setRich(element, text) {
  if (element.dataset.text === text) return;
  element.dataset.text = text;
  element.replaceChildren(...text.split("**").map((part, i) => (i % 2 ? make("strong", "", null, { textContent: part }) : part)));
}

/** Changes an element's words. While the hand moves it keeps the most height that it has taken: the pictures below then do not move up. */
export function keepTall(element, moving, change) {
  const height = () => element.getBoundingClientRect().height;
  const before = height();
  element.style.minHeight = "";
  change();
  if (moving) element.style.minHeight = `${Math.max(before, height())}px`;
}

/** One button for each offer of the server: what it puts, and whether it is pressed. */
export function updateOffers(parent, offers, stage) {
  while (parent.children.length > offers.length) parent.lastChild.remove();
  offers.forEach(({ label, put, on, title }, i) => {
    const element = parent.children[i] ?? button(parent, "", null);
    setText(element, label);
    Object.assign(element, { title, ariaPressed: on === null ? null : String(on), onclick: () => stage.ask({ put }) });
  });
}

// A hidden tab has no frames, so do not wait for ever.
export const nextFrame = () => new Promise((resolve) => { requestAnimationFrame(resolve); setTimeout(resolve, 250); });

const loading = {};

/** Loads a style sheet or a script once for the whole page. */
export function load(url) {
  return (loading[url] ||= new Promise((resolve, reject) => {
    const style = url.endsWith(".css");
    const element = style ? make("link", "", null, { rel: "stylesheet", href: url }) : make("script", "", null, { src: url, async: true });
    element.onload = resolve;
    element.onerror = () => { delete loading[url]; element.remove(); reject(new Error(`could not load ${url}`)); };
    document.head.append(element);
  }));
}
