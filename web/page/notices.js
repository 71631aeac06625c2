// @ts-check
// Notices of what has just happened, in a few lines at the top: in the lobby, in a meeting, over dialogs.

import { element, list, make, makeButton } from "./elements.js";
import { icon } from "./icons.js";
import { dismiss, drawn, redraw, state } from "./state.js";
import { language, t } from "./words.js";

const notices = element("notices");

export function setUpNotices() {
  // A dialog makes all beside it deaf and dim: notices stand in it while it is open.
  for (const event of ["close", "toggle"]) document.addEventListener(event, redraw, true);
  // Other things at the top make way.
  new ResizeObserver(() => document.body.style.setProperty("--notices", `${notices.offsetHeight}px`)).observe(notices);
  drawn(draw);
}

function draw() {
  const place = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body;
  if (notices.parentElement !== place) place.append(notices);
  list(notices, state.notices.map((notice) => ({ ...notice, language: language() })), ({ id, text, kind }) => {
    const close = makeButton("", () => dismiss(id), "quiet");
    close.append(icon("close"));
    close.ariaLabel = close.title = t("control.dismiss");
    const line = make("div", { className: kind }, make("p", { text }), close);
    if (kind === "error") line.role = "alert";
    return line;
  });
}
