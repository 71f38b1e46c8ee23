// A dialog with the page's address, to send or to scan.

const dialogs = new WeakMap(); // root element -> its dialog
const LONGEST_CODE = 1200; // characters: a longer address makes a code too fine for a phone at the back of a room
const THIS_COMPUTER = /^(localhost|127\..*|0\.0\.0\.0|\[::1\])$/;
let count = 0;

/** Opens the dialog inside `root`, built with the first call. `href` is the address to share, `qr` that of the server's QR codes. */
export function openShare(root, { href, qr }) {
  if (!dialogs.has(root)) dialogs.set(root, build(root));
  const { dialog, input, status, image, noCode, hint } = dialogs.get(root);
  const fits = href.length <= LONGEST_CODE;
  input.value = href;
  status.textContent = "";
  image.hidden = !fits;
  if (fits) image.src = `${qr}?text=${encodeURIComponent(href)}`;
  noCode.hidden = fits;
  noCode.textContent = "Too many edited points for a QR code: send the link instead.";
  hint.hidden = !THIS_COMPUTER.test(new URL(href).hostname);
  if (!dialog.open) dialog.showModal();
}

function build(root) {
  count += 1;
  const dialog = add(root, "dialog", { className: "wd-share" });
  const body = add(dialog, "div", { className: "wd-share-body" });
  const title = add(body, "h2", { id: `wd-share-${count}`, textContent: "Share what you see" });
  dialog.setAttribute("aria-labelledby", title.id);
  add(body, "p", { textContent: "The address holds every setting." });

  const row = add(body, "div", { className: "wd-share-row" });
  const input = add(row, "input", { type: "text", readOnly: true, ariaLabel: "Address of this page" });
  const copyButton = add(row, "button", { type: "button", textContent: "Copy link" });
  const status = add(body, "p", { className: "wd-share-status", role: "status" });
  input.onfocus = () => input.select();
  copyButton.onclick = async () => {
    status.textContent = ""; // so that the same words are announced again
    status.textContent = (await copied(input)) ? "Copied" : "Press Ctrl+C to copy";
  };

  const image = add(body, "img", { className: "wd-qr", alt: "QR code of this page's address" });
  const noCode = add(body, "p");
  image.onerror = () => { // behind a proxy, for one, the server may not know its own name
    image.hidden = true;
    noCode.hidden = false;
    noCode.textContent = "No QR code could be made: send the link instead.";
  };

  const hint = add(body, "p", { className: "wd-share-hint" });
  const command = document.createElement("code");
  command.textContent = "make run ADDRESS=0.0.0.0";
  hint.append("This address works on this computer only. To show it to a class, start the app with ", command,
    ", and open it by this computer's name or number.");

  const closeButton = add(body, "button", { type: "button", className: "wd-share-close", textContent: "Close" });
  closeButton.onclick = () => dialog.close();
  closeOnBackdrop(dialog);
  dialog.onkeydown = (event) => event.stopPropagation(); // keys pressed in here are not the page's shortcuts
  return { dialog, input, status, image, noCode, hint };
}

function add(parent, tag, properties = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

/** The body covers the dialog, so what hits the dialog itself hits its backdrop. A drag out of the address field must not close it. */
function closeOnBackdrop(dialog) {
  let pressed = null;
  dialog.onpointerdown = (event) => { pressed = event.target; };
  dialog.onclick = (event) => { if (event.target === dialog && pressed === dialog) dialog.close(); };
}

async function copied(input) {
  try {
    await navigator.clipboard.writeText(input.value); // there is no clipboard on a page without https, unless it is this computer's
    return true;
  } catch {
    input.focus();
    input.select();
    return document.execCommand("copy");
  }
}
