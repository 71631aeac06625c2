// @ts-check
// Drawings of the controls and badges.

/** @type {Record<string, string>} shapes of a box of 24 × 24 */
const shapes = {
  mic: "M9 6a3 3 0 0 1 6 0v5a3 3 0 0 1-6 0zM5 11a7 7 0 0 0 14 0M12 18v3",
  micOff: "M9 6a3 3 0 0 1 6 0v5a3 3 0 0 1-6 0zM5 11a7 7 0 0 0 14 0M12 18v3M3 3l18 18",
  camera: "M5 6h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2zM15 11l6-4v10l-6-4",
  cameraOff: "M5 6h8a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2zM15 11l6-4v10l-6-4M3 3l18 18",
  screen: "M5 4h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zM8 20h8M12 16v4M12 13V7M9 10l3-3 3 3",
  hand: "M7 12V6a1.5 1.5 0 0 1 3 0v5M10 5a1.5 1.5 0 0 1 3 0v6M13 6a1.5 1.5 0 0 1 3 0v6M16 9a1.5 1.5 0 0 1 3 0v4a7 7 0 0 1-7 7c-4 0-5-2-8-7a1.6 1.6 0 0 1 2.6-1.800L7 14",
  people: "M5.5 8a3.5 3.5 0 0 1 7 0 3.5 3.5 0 0 1-7 0zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.600a3.5 3.5 0 0 1 0 6.800M18 14.200a6.5 6.5 0 0 1 3.5 5.8",
  chat: "M4 5h16v11H9l-5 4z",
  more: "M4.5 12h1M11.5 12h1M18.5 12h1",
  leave: "M3 15c0-2 4-4.5 9-4.500s9 2.5 9 4.500l-.5 2-4.5-1v-2.500a13 13 0 0 0-8 0V16l-4.5 1z",
  pin: "M9 3h6l-1 7 4 4H6l4-4zM12 14v7",
  close: "M6 6l12 12M18 6L6 18",
  good: "M5 20v-4M12 20v-9M19 20V5",
  fair: "M5 20v-4M12 20v-9",
  poor: "M5 20v-4",
};

/**
 * Draws an icon into an SVG element, or into a new one.
 * @param {string} name
 * @param {SVGElement} [svg]
 */
export function icon(name, svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")) {
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", shapes[name]);
  svg.replaceChildren(path);
  return svg;
}

/** Draws the icons that elements of the page name. */
export function drawIcons() {
  for (const svg of document.querySelectorAll("svg[data-icon]")) {
    icon(/** @type {SVGElement} */ (svg).dataset.icon ?? "", /** @type {SVGElement} */ (svg));
  }
}
