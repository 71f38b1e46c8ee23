// Runs before all else. Tells Streamlit's own code where the server is: it would otherwise look under the address of the page first, and
// find nothing there. And says what comes, until that code, over a megabyte of it, is there and takes the place of these words.
window.__streamlit = { ...window.__streamlit, BACKEND_BASE_URL: new URL(document.currentScript.dataset.base, location.origin).href };

const WORDS = [
  ["h1", "margin: 0 0 0.5rem; font-size: 1.35rem", "Weight decay lab"],
  ["p", "margin: 0 0 0.5rem; max-width: 40rem", "See what weight decay does to a neural network. Move one slider; a network that has memorised its training points, wrong labels included, turns into one that generalises."],
  ["p", "margin: 0; opacity: 0.75", "Loading the page, 1 to 3 MB the first time."],
];

const waiting = new MutationObserver(() => {
  const root = document.getElementById("root");
  if (!root) return;
  waiting.disconnect();
  const box = document.createElement("div");
  box.style.cssText = "position: fixed; inset: 0; padding: 3.6rem 1rem; font: 16px/1.45 system-ui, sans-serif; color-scheme: light dark; color: CanvasText; background: Canvas";
  for (const [tag, style, words] of WORDS) {
    const element = document.createElement(tag);
    element.style.cssText = style;
    element.textContent = words;
    box.append(element);
  }
  if (!root.firstChild) root.append(box);
});
waiting.observe(document.documentElement, { childList: true, subtree: true });
