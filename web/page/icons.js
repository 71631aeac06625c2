// @ts-check
// Drawings of the controls and badges.

/** @type {Record<string, string>} shapes of a box of 24 × 24; what is after | is faint */
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
  leave: "M14 4H6v16h8M10 12h10M17 9l3 3-3 3",
  phone: "M3 15c0-2 4-4.5 9-4.500s9 2.5 9 4.500l-.5 2-4.5-1v-2.500a13 13 0 0 0-8 0V16l-4.5 1z",
  pin: "M9 3h6l-1 7 4 4H6l4-4zM12 14v7",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
  record: "M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10z",
  file: "M8 12V7a4 4 0 0 1 8 0v9a6 6 0 0 1-12 0V8M12 8v8a2 2 0 0 0 4 0",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  grid: "M4 5h7v6H4zM13 5h7v6h-7zM4 13h7v6H4zM13 13h7v6h-7z",
  fullscreen: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  pip: "M4 5h16v14H4zM12 12h6v5h-6z",
  flip: "M4 8h3l2-3h6l2 3h3v11H4zM9 13a3 3 0 0 1 5-2M15 14a3 3 0 0 1-5 2",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v6M12 7v.5",
  keys: "M3 7h18v11H3zM7 11h.5M11 11h.5M15 11h.5M8 15h8",
  good: "M5 20v-4M12 20v-9M19 20V5",
  fair: "M5 20v-4M12 20v-9|M19 20V5",
  poor: "M5 20v-4|M12 20v-9M19 20V5",
};

/**
 * Draws an icon into an SVG element, or into a new one.
 * @param {string} name
 * @param {SVGElement} [svg]
 */
export function icon(name, svg = document.createElementNS("http://www.w3.org/2000/svg", "svg")) {
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.replaceChildren(...shapes[name].split("|").map((shape, i) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", shape);
    if (i) path.setAttribute("opacity", ".35");
    return path;
  }));
  return svg;
}

/** Draws the icons that elements of the page name. */
export function drawIcons() {
  for (const svg of document.querySelectorAll("svg[data-icon]")) {
    icon(/** @type {SVGElement} */ (svg).dataset.icon ?? "", /** @type {SVGElement} */ (svg));
  }
}
