// Tells Streamlit's own code where the server is. It would otherwise look under the address of the page first, and find nothing there.
window.__streamlit = { ...window.__streamlit, BACKEND_BASE_URL: new URL(document.currentScript.dataset.base, location.origin).href };
