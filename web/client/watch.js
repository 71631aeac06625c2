// @ts-check
// Notices what happens to the page and its network.

/**
 * @param {() => void} probe the connection may be lost
 * @param {() => void} changed the network is another
 * @param {() => void} leaving the page goes away
 * @returns {AbortController} ends the listening
 */
export function watch(probe, changed, leaving) {
  const { document, navigator } = /** @type {any} */ (globalThis), stop = new AbortController();
  const network = navigator?.connection;
  let type = network?.type;
  /** @type {(target: any, event: string, then: () => void) => void} */
  const on = (target, event, then) => target?.addEventListener?.(event, then, { signal: stop.signal });
  on(globalThis, "online", changed);
  on(network, "change", () => { // also for each new estimate of its speed
    if (network.type === type) return probe();
    type = network.type;
    changed();
  });
  on(document, "visibilitychange", () => document.hidden || probe());
  // Browsers close with 1001, which does not end a membership: a page has to say that it leaves,
  // also one that is kept for the back button, since its connections are cut.
  on(globalThis, "pagehide", leaving);
  return stop;
}
