// @ts-check

/**
 * Tells listeners of events.
 * @template {Record<string, any>} Events the detail of each event
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(detail: any) => void>>} */
  #listeners = new Map();

  /**
   * Listens to an event. Late listeners get what is there already: see `present`.
   * @template {keyof Events} E
   * @param {E} event
   * @param {(detail: Events[E]) => void} listener
   * @returns {() => void} ends the listening
   */
  on(event, listener) {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    const present = this.present(event);
    if (present.length) {
      queueMicrotask(() => {
        for (const detail of present) if (listeners.has(listener)) listener(detail);
      });
    }
    return () => void listeners.delete(listener);
  }

  /**
   * Returns a promise of the next event, or of the first for which `is` holds.
   * @template {keyof Events} E
   * @param {E} event
   * @param {(detail: Events[E]) => boolean} [is]
   * @returns {Promise<Events[E]>}
   */
  once(event, is = () => true) {
    return new Promise((resolve) => {
      const off = this.on(event, (detail) => {
        if (!is(detail)) return;
        off();
        resolve(detail);
      });
    });
  }

  /**
   * Returns the details that a new listener gets at once, of what began before it listened.
   * @protected
   * @param {keyof Events} event
   * @returns {any[]}
   */
  present(event) {
    void event;
    return [];
  }

  /**
   * Tells all listeners. One that throws keeps it from nobody.
   * @protected
   * @template {keyof Events} E
   * @param {E} event
   * @param {Events[E]} detail
   */
  emit(event, detail) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(detail);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
  }
}
