// @ts-check
/**
 * What the arm did in its last playback, kept in the browser, to be looked at again and slower.
 *
 * Nothing here reaches the arm.
 */
export class Recorded {
  constructor() {
    /** @type {{at: number, pose: number[], tip: number[]}[]} */
    this.samples = [];
  }

  get duration() {
    return this.samples.at(-1)?.at ?? 0;
  }

  /**
   * Keep a sample; one that is earlier than the last begins anew.
   * @param {number} at s
   * @param {number[]} pose
   * @param {number[]} tip
   */
  keep(at, pose, tip) {
    if (at < this.duration) this.samples = [];
    this.samples.push({at, pose, tip});
  }

  clear() {
    this.samples = [];
  }

  /**
   * The newest sample that is not later.
   * @param {number} at s
   * @returns {number} its index, -1 without samples
   */
  index(at) {
    let low = 0;
    let high = this.samples.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.samples[middle].at <= at) low = middle;
      else high = middle - 1;
    }
    return this.samples.length ? low : -1;
  }

  /** The pose between two samples. @param {number} at s @returns {number[]|null} */
  pose(at) {
    const index = this.index(at);
    if (index < 0) return null;
    const one = this.samples[index];
    const next = this.samples[index + 1];
    if (!next || at <= one.at) return one.pose;
    const share = Math.min(1, (at - one.at) / (next.at - one.at));
    return one.pose.map((value, joint) => value + share * (next.pose[joint] - value));
  }

  /** The tips until then. @param {number} at s @returns {number[][]} */
  tips(at) {
    return this.samples.slice(0, this.index(at) + 1).map((sample) => sample.tip);
  }
}
