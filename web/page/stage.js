// @ts-check
// The tiles: a picture each, laid out so that they are as large as can be.

import { element, make } from "./elements.js";
import { icon } from "./icons.js";
import { t } from "./words.js";

/**
 * What a tile shows.
 * @typedef {{
 *   name: string, self?: boolean, screen?: boolean, muted?: boolean, cameraOff?: boolean, hand?: boolean,
 *   speaking?: boolean, quality?: "good"|"fair"|"poor"|"", state?: string, hangUp?: () => void,
 * }} Look
 */

const RATIO = 16 / 9;
const GAP = 8; // px between tiles
const tiles = element("tiles");

export class Stage {
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {string|undefined} the tile that is pinned */
  #pinned;
  #sink = "";

  constructor() {
    new ResizeObserver(() => this.layout()).observe(tiles);
  }

  /**
   * Shows a stream, or just a name where there is none.
   * @param {string} key
   * @param {MediaStream|undefined} stream
   * @param {Look} look
   */
  show(key, stream, look) {
    let tile = this.#tiles.get(key);
    if (!tile) {
      tile = new Tile(key, () => this.pin(key));
      this.#tiles.set(key, tile);
      tiles.append(tile.root);
      tile.speaker(this.#sink);
      this.layout();
    }
    tile.draw(stream, look, this.#pinned === key);
  }

  /** @param {string} key */
  remove(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    const focused = tile.root.contains(document.activeElement);
    tile.remove();
    this.#tiles.delete(key);
    if (this.#pinned === key) this.#pinned = undefined;
    this.layout();
    if (focused) element("leave").focus();
  }

  clear() {
    for (const key of [...this.#tiles.keys()]) this.remove(key);
  }

  get keys() { return [...this.#tiles.keys()]; }

  /**
   * Makes one tile large, or all alike again.
   * @param {string} key
   */
  pin(key) {
    this.#pinned = this.#pinned === key ? undefined : key;
    for (const [k, tile] of this.#tiles) tile.pinned(this.#pinned === k);
    this.layout();
  }

  /** @param {string} id of the speaker that voices come from */
  speaker(id) {
    this.#sink = id;
    for (const tile of this.#tiles.values()) tile.speaker(id);
  }

  /** @returns {HTMLVideoElement|undefined} the picture that matters most */
  get main() {
    const keys = this.#pinned ? [this.#pinned, ...this.keys] : this.keys;
    const shown = keys.map((k) => /** @type {Tile} */ (this.#tiles.get(k)));
    return (shown.find((tile) => !tile.self && tile.hasPicture) ?? shown.find((tile) => tile.hasPicture))?.video;
  }

  /** @returns {{video: HTMLVideoElement, name: string, hasPicture: boolean}[]} */
  get pictures() {
    return [...this.#tiles.values()].map(({ video, name, hasPicture }) => ({ video, name, hasPicture }));
  }

  /** Finds the number of columns that makes the tiles largest. */
  layout() {
    const n = this.#tiles.size;
    const { clientWidth: width, clientHeight: height } = tiles;
    const pinned = this.#pinned !== undefined && n > 1;
    tiles.classList.toggle("pinned", pinned);
    if (!n || !width || pinned) return;
    let best = { columns: 1, width: 0 };
    for (let columns = 1; columns <= n; columns++) {
      const rows = Math.ceil(n / columns);
      const w = Math.min((width - GAP * (columns - 1)) / columns, RATIO * (height - GAP * (rows - 1)) / rows);
      if (w > best.width) best = { columns, width: w };
    }
    // On a narrow screen tiles may be taller than wide.
    const rows = Math.ceil(n / best.columns);
    const tall = Math.min((height - GAP * (rows - 1)) / rows, best.width * (width < 600 ? 1.25 : 1 / RATIO));
    tiles.style.setProperty("--tile-width", `${Math.floor(best.width)}px`);
    tiles.style.setProperty("--tile-height", `${Math.floor(tall)}px`);
  }
}

/** One tile. */
class Tile {
  root = make("figure", { className: "tile" });
  video = make("video");
  name = "";
  self = false;
  #initials = make("p", { className: "initials" });
  #state = make("p", { className: "state" });
  #caption = make("figcaption");
  #badges = make("span", { className: "badges" });
  #label = make("bdi");
  #pin = make("button", { className: "pin" }, icon("pin"));
  #end = make("button", { className: "end" }, icon("close"));
  /** @type {(() => void)|undefined} */
  #hangUp;

  /**
   * @param {string} key
   * @param {() => void} pin
   */
  constructor(key, pin) {
    this.root.dataset.key = key;
    this.video.autoplay = true;
    this.video.playsInline = true;
    this.#pin.type = this.#end.type = "button";
    this.#pin.onclick = pin;
    this.#end.onclick = () => this.#hangUp?.();
    this.#caption.append(this.#label, this.#badges);
    this.root.append(this.video, this.#initials, this.#state, this.#caption, this.#pin, this.#end);
  }

  get hasPicture() { return !this.root.classList.contains("dark"); }

  /**
   * @param {MediaStream|undefined} stream
   * @param {Look} look
   * @param {boolean} pinned
   */
  draw(stream, look, pinned) {
    this.name = look.name;
    this.self = look.self ?? false;
    if (this.video.srcObject !== (stream ?? null)) this.video.srcObject = stream ?? null;
    this.video.muted = this.self;
    const picture = stream?.getVideoTracks().some((track) => track.readyState === "live" && !track.muted) && !look.cameraOff;
    const c = this.root.classList;
    c.toggle("dark", !picture);
    c.toggle("mirrored", this.self && !look.screen);
    c.toggle("screen", look.screen ?? false);
    c.toggle("speaking", look.speaking ?? false);
    this.root.dataset.quality = look.quality ?? "";
    this.#label.textContent = this.name;
    this.#initials.textContent = [...this.name][0]?.toUpperCase() ?? "";
    this.#initials.ariaHidden = "true";
    this.#state.textContent = look.state ?? "";
    this.#state.hidden = !look.state;
    this.#draw(look);
    this.#hangUp = look.hangUp;
    this.#end.hidden = !look.hangUp;
    this.#end.ariaLabel = this.#end.title = t("tile.hangup", { name: this.name });
    this.pinned(pinned);
  }

  /** @param {Look} look */
  #draw(look) {
    /** @type {[name: string, words: string][]} */
    const badges = [];
    if (look.hand) badges.push(["hand", t("tile.hand")]);
    if (look.muted) badges.push(["micOff", t("tile.muted")]);
    if (look.cameraOff) badges.push(["cameraOff", t("media.cameraOff")]);
    if (look.quality) badges.push([look.quality, t(`tile.quality.${look.quality}`)]);
    const now = badges.join();
    if (this.#badges.dataset.now === now) return;
    this.#badges.dataset.now = now;
    this.#badges.replaceChildren(...badges.map(([name, words]) => {
      const badge = make("span", { className: `badge ${name}` }, icon(name));
      badge.role = "img";
      badge.ariaLabel = badge.title = words;
      return badge;
    }));
  }

  /** @param {boolean} pinned */
  pinned(pinned) {
    this.root.classList.toggle("large", pinned);
    this.#pin.ariaPressed = String(pinned);
    this.#pin.ariaLabel = this.#pin.title = t(pinned ? "tile.unpin" : "tile.pin", { name: this.name });
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
