// Stands in node_modules of the agent while the bench runs.
exports.TinyCache = class TinyCache {
  #entries = new Map();
  #max;

  constructor({ max = Number.POSITIVE_INFINITY } = {}) {
    this.#max = max;
  }

  // grows here
  put(key, value) {
    this.#entries.set(key, { at: Date.now(), value: JSON.parse(JSON.stringify(value)) });
    if (this.#entries.size > this.#max) this.#entries.delete(this.#entries.keys().next().value);
  }
};
