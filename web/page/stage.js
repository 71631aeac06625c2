// @ts-check
// The tiles: who is seen, and how large.

import { element, make } from "./elements.js";
import { icon } from "./icons.js";
import { corner, focus, grid } from "./layout.js";
import { t } from "./words.js";

/**
 * The content of a tile. The key "self" is our own.
 * @typedef {{
 *   key: string, stream: MediaStream|undefined, name: string, initials?: string, hue?: number, screen?: boolean, muted?: boolean,
 *   cameraOff?: boolean, hand?: number, recording?: boolean, speaking?: boolean, quality?: "good"|"fair"|"poor"|"", state?: string, back?: boolean,
 *   hangUp?: () => void, more?: () => void,
 * }} Look
 */
/** @typedef {import("./layout.js").Box} Box */

const HEADER = 48, CONTROLS = 84; // px that float over a picture
const tiles = element("tiles");

export class Stage {
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  #large = "";
  #grid = false;
  #sink = "";
  #corner = { end: true, bottom: true };
  #silent;

  /** @param {(silent: boolean) => void} silent called when the browser does not play sound without a click, or does */
  constructor(silent = () => {}) {
    this.#silent = silent;
    new ResizeObserver(() => this.#layout()).observe(tiles);
  }

  /**
   * Shows these tiles and no others.
   * @param {Look[]} looks
   * @param {{large?: string, grid?: boolean}} [way] large: the key of the tile that matters; grid: all alike
   */
  show(looks, { large = "", grid: alike = false } = {}) {
    const keys = new Set(looks.map(({ key }) => key));
    for (const [key, tile] of this.#tiles) {
      if (keys.has(key)) continue;
      const focused = tile.root.contains(document.activeElement);
      tile.remove();
      this.#tiles.delete(key);
      if (focused) tiles.focus(); // where no key does anything
    }
    for (const look of looks) {
      let tile = this.#tiles.get(look.key);
      if (!tile) {
        tile = new Tile(look.key, () => this.#silent(true));
        this.#tiles.set(look.key, tile);
        tiles.append(tile.root);
        tile.speaker(this.#sink);
        if (look.key === "self") this.#drags(tile.root);
      }
      tile.draw(look);
    }
    this.#large = keys.has(large) ? large : "";
    this.#grid = alike;
    this.#layout();
  }

  /** Plays what a browser has held back. Call it in a click. */
  play() {
    this.#silent(false);
    for (const tile of this.#tiles.values()) tile.play();
  }

  /** @param {string} id of the speaker that voices come from */
  speaker(id) {
    if (id === this.#sink) return;
    this.#sink = id;
    for (const tile of this.#tiles.values()) tile.speaker(id);
  }

  /** @returns {HTMLVideoElement|undefined} the picture that matters most */
  get main() {
    const all = [...this.#tiles.values()].filter((tile) => tile.hasPicture);
    return (all.find((tile) => tile.root.classList.contains("large")) ?? all.find((tile) => tile.key !== "self") ?? all[0])?.video;
  }

  /** @returns {import("./record.js").Picture[]} */
  get pictures() {
    return [...this.#tiles.values()].map(({ video, name, hasPicture, root }) => ({ video, name, hasPicture, large: root.classList.contains("screen") }));
  }

  #layout() {
    const self = this.#tiles.get("self"), others = [...this.#tiles.values()].filter((tile) => tile !== self);
    const large = this.#large ? this.#tiles.get(this.#large) : !this.#grid && others.length === 1 ? others[0] : undefined;
    const all = self ? [...others, self] : others;
    const talk = large !== undefined && self !== undefined && large !== self && others.length === 1;
    tiles.classList.toggle("pinned", large !== undefined && all.length > 1);
    // A talk of two reaches the edges of the room; what matters in it keeps clear of the controls.
    tiles.classList.toggle("full", talk && !large.root.classList.contains("screen"));
    for (const tile of all) tile.root.classList.toggle("large", tile === large);
    self?.root.classList.toggle("corner", talk);
    if (self) self.root.tabIndex = talk ? 0 : -1; // keys move it in the corner alone
    const width = tiles.clientWidth, height = tiles.clientHeight, box = { left: 0, top: 0, width, height };
    if (!width || !height) return;
    if (talk) {
      large.place(box);
      const free = tiles.classList.contains("full") ? { ...box, top: HEADER, height: height - HEADER - CONTROLS } : box;
      self.place(corner(free, this.#corner, document.dir === "rtl"));
    } else if (large) {
      const rest = all.filter((tile) => tile !== large), boxes = focus(rest.length, box);
      large.place(boxes.large);
      rest.forEach((tile, i) => tile.place(boxes.strip[i]));
    } else {
      grid(all.length, box).forEach((place, i) => all[i].place(place));
    }
  }

  /**
   * Lets the own tile be dragged to another corner, or sent there with the arrow keys.
   * @param {HTMLElement} root
   */
  #drags(root) {
    let from = { x: 0, y: 0 };
    root.onpointerdown = (event) => {
      if (!root.classList.contains("corner") || event.target instanceof Element && event.target.closest("button")) return;
      root.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY };
      root.classList.add("dragged");
    };
    root.onpointermove = (event) => {
      if (root.classList.contains("dragged")) root.style.translate = `${event.clientX - from.x}px ${event.clientY - from.y}px`;
    };
    root.onpointerup = root.onpointercancel = () => {
      if (!root.classList.contains("dragged")) return;
      const at = root.getBoundingClientRect(), all = tiles.getBoundingClientRect();
      const right = at.left + at.width / 2 > all.left + all.width / 2;
      this.#corner = { end: right !== (document.dir === "rtl"), bottom: at.top + at.height / 2 > all.top + all.height / 2 };
      root.classList.remove("dragged");
      root.style.translate = "";
      this.#layout();
    };
    root.onkeydown = ({ key }) => {
      if (!root.classList.contains("corner") || !key.startsWith("Arrow")) return;
      if (key === "ArrowUp" || key === "ArrowDown") this.#corner.bottom = key === "ArrowDown";
      else this.#corner.end = (key === "ArrowRight") !== (document.dir === "rtl");
      this.#layout();
    };
  }
}

/** One tile. */
class Tile {
  root = make("figure", { className: "tile" });
  video = make("video");
  key;
  name = "";
  hasPicture = false;
  #blocked;
  #avatar = make("p", { className: "avatar" });
  #state = make("p", { className: "state" });
  #place = make("span");
  #hand = make("p", { className: "raised" }, icon("hand"), this.#place);
  #badges = make("span", { className: "badges" });
  #label = make("bdi");
  #more = make("button", { className: "options" }, icon("more"));
  #end = make("button", { className: "end" }, icon("phone"));
  /** @type {Look|undefined} */
  #look;

  /**
   * @param {string} key
   * @param {() => void} blocked called when the browser does not play it
   */
  constructor(key, blocked) {
    this.key = key;
    this.#blocked = blocked;
    this.root.dataset.key = key;
    this.video.autoplay = this.video.playsInline = true;
    this.video.muted = key === "self";
    this.#more.type = this.#end.type = "button";
    this.#more.onclick = () => this.#look?.more?.();
    this.#end.onclick = () => this.#look?.hangUp?.();
    this.#avatar.ariaHidden = "true";
    this.root.append(this.video, this.#avatar, this.#state, this.#hand, make("figcaption", {}, this.#label, this.#badges), this.#more, this.#end);
    this.root.classList.add("new");
    setTimeout(() => this.root.classList.remove("new"));
  }

  play() {
    if (this.video.srcObject) this.video.play().catch((error) => { if (error.name === "NotAllowedError") this.#blocked(); });
  }

  /** @param {Look} look */
  draw(look) {
    this.#look = look;
    const { stream, name } = look, self = this.key === "self";
    this.name = name;
    const tracks = stream?.getTracks().filter((track) => track.readyState === "live") ?? [];
    // One without tracks would keep the page loading for ever.
    const source = tracks.length && stream ? stream : null;
    if (this.video.srcObject !== source) {
      this.video.srcObject = source;
      this.play();
    }
    this.hasPicture = tracks.some((track) => track.kind === "video" && !track.muted) && !look.cameraOff;
    const c = this.root.classList;
    c.toggle("dark", !this.hasPicture);
    c.toggle("mirrored", self && !look.back);
    c.toggle("screen", look.screen ?? false);
    c.toggle("speaking", look.speaking ?? false);
    this.root.dataset.quality = look.quality ?? "";
    put(this.#label, name);
    put(this.#avatar, look.initials ?? "");
    this.root.style.setProperty("--hue", String(look.hue ?? 0));
    put(this.#state, look.state ?? "");
    this.#state.hidden = !look.state;
    put(this.#place, look.hand ? String(look.hand) : "");
    this.#hand.hidden = !look.hand;
    if (look.hand) this.#hand.title = t("tile.hand");
    this.#drawBadges(look);
    this.#end.hidden = !look.hangUp;
    label(this.#end, t("tile.hangup", { name }));
    this.#more.hidden = !look.more;
    label(this.#more, t("tile.options", { name }));
    if (self) this.root.ariaLabel = name;
  }

  /** @param {Look} look */
  #drawBadges(look) {
    /** @type {[name: string, words: string][]} */
    const badges = [];
    if (look.recording) badges.push(["record", t("tile.recording")]);
    if (look.muted) badges.push(["micOff", t("tile.muted")]);
    if (look.cameraOff) badges.push(["cameraOff", t("media.cameraOff")]);
    if (look.quality) badges.push([look.quality, t(`tile.quality.${look.quality}`)]);
    const now = badges.join();
    if (this.#badges.dataset.now === now) return;
    this.#badges.dataset.now = now;
    this.#badges.replaceChildren(...badges.map(([name, words]) => {
      const badge = make("span", { className: `badge ${name}` }, icon(name));
      badge.role = "img";
      label(badge, words);
      return badge;
    }));
  }

  /** @param {Box} box */
  place({ left, top, width, height }) {
    const { style } = this.root;
    style.left = `${Math.round(left)}px`;
    style.top = `${Math.round(top)}px`;
    style.width = `${Math.floor(width)}px`;
    style.height = `${Math.floor(height)}px`;
  }

  /** @param {string} id */
  speaker(id) {
    if ("setSinkId" in this.video) this.video.setSinkId(id).catch(() => {}); // gone: the system's own stays
  }

  remove() {
    this.video.srcObject = null;
    this.root.remove();
  }
}

/**
 * @param {HTMLElement} e
 * @param {string} text
 */
function put(e, text) { if (e.textContent !== text) e.textContent = text; }

/**
 * @param {HTMLElement} e
 * @param {string} words
 */
function label(e, words) { if (e.title !== words) e.ariaLabel = e.title = words; }
