// What the page around the stage does by itself where Streamlit leaves it to the visitor.

const DRAWER_PX = 768; // below, Streamlit's sidebar lies over the page

const after = {
  // A page that is picked in the drawer would stay under it.
  "[data-testid=stSidebarNavLink]": () => innerWidth < DRAWER_PX && document.querySelector("[data-testid=stSidebarCollapseButton] button")?.click(),
  // What is to be noticed is at the top of the page, and so is the answer that changes.
  ".st-key-notice button": () => document.querySelector("[data-testid=stMain]")?.scrollTo({ top: 0 }),
};

/** To be called once: the page lives as long as the window. */
export function attend() {
  addEventListener("click", ({ target, isTrusted }) => {
    if (!isTrusted || !(target instanceof Element)) return; // the presenter clicks hidden links
    for (const [selector, act] of Object.entries(after)) if (target.closest(selector)) act();
  });
}
