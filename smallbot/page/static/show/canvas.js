// @ts-check
/** The drawing area: what is drawn and shown, where the arm went, what a question answered. */
import {colour, fitted, oncePerFrame, whenLooksChange} from '../live/said.js';
import {paper, Plane, Reach} from './plane.js';

/** @typedef {import('./plane.js').Place} Place */

export class Drawing {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {any} */
    this.arm = null;
    /** @type {Reach|null} */
    this.reach = null;
    /** @type {Plane|null} */
    this.plane = null;
    /** @type {[number, number, number][]} the line under the pen: m, m, s */
    this.stroke = [];
    /** @type {Place[]} */
    this.shown = [];
    /** @type {Place[]} */
    this.trail = [];
    /** @type {Place[]} */
    this.answered = [];
    /** @type {number|undefined} seconds of the newest pose of the trail */
    this.latest = undefined;
    /** @type {Place|null} where the server says that it cannot be done */
    this.fault = null;
    /** @type {{at: Place, isDown: boolean}|null} the pen of the keys */
    this.cursor = null;
    /** @type {HTMLCanvasElement|null} */
    this.background = null;
    this.redraw = oncePerFrame(() => this.draw());
    whenLooksChange(canvas, () => {
      this.background = null;
      this.redraw();
    });
  }

  /** @param {any} arm */
  of(arm) {
    this.arm = arm;
    this.reach = arm ? new Reach(arm) : null;
    this.background = null;
    if (arm) {
      const {u, v} = arm.plane;
      this.canvas.style.setProperty('--aspect', ((u[1] - u[0]) / (v[1] - v[0])).toFixed(3));
    }
    this.stroke = [];
    this.trail = [];
    this.answered = [];
    this.fault = null;
    this.redraw();
  }

  /** Where a tool tip stands in the plane. @param {number[]} tip metres @returns {Place} */
  project(tip) {
    const {origin, e1, e2} = this.arm.plane;
    const from = tip.map((value, axis) => value - origin[axis]);
    const along = (/** @type {number[]} */ way) =>
      way.reduce((sum, value, axis) => sum + value * from[axis], 0);
    return [along(e1), along(e2)];
  }

  /**
   * A place in the canvas, metres.
   * @param {number} x
   * @param {number} y CSS pixels
   * @returns {Place}
   */
  place(x, y) {
    this.fit(this.canvas.clientWidth, this.canvas.clientHeight);
    return this.plane ? this.plane.place(x, y) : [0, 0];
  }

  /** @param {number} width @param {number} height */
  fit(width, height) {
    this.plane = this.arm ? new Plane(this.arm.plane, width, height) : null;
  }

  draw() {
    const {context, width, height, ratio} = fitted(this.canvas);
    if (!this.arm || !this.reach || width < 2 || height < 2) return;
    this.fit(width, height);
    const plane = /** @type {Plane} */ (this.plane);
    if (!this.background || this.background.width !== Math.round(width * ratio)) {
      this.background = paper(this.reach, plane, width, height, ratio);
    }
    context.drawImage(this.background, 0, 0, width, height);
    context.lineJoin = 'round';
    context.lineCap = 'round';
    if (this.arm.start) this.dot(context, this.arm.start, 5, '--quiet', false);
    this.sketch(context);
    this.line(context, this.shown, '--shown', 3);
    if (this.shown.length) {
      this.dot(context, this.shown[0], 5, '--shown', true);
      this.dot(context, this.shown[this.shown.length - 1], 4.5, '--shown', false);
    }
    this.line(context, this.answered, '--asked', 2.5, [2, 5]);
    this.line(context, this.trail, '--reached', 2.5, [9, 4]);
    if (this.trail.length)
      this.dot(context, this.trail[this.trail.length - 1], 4.5, '--reached', true);
    if (this.fault) this.cross(context, this.fault);
    if (this.cursor) this.crosshair(context, this.cursor);
  }

  /**
   * The line as drawn: thin where it can be reached, thick and red where not.
   * @param {CanvasRenderingContext2D} context
   */
  sketch(context) {
    const plane = /** @type {Plane} */ (this.plane);
    const reach = /** @type {Reach} */ (this.reach);
    this.line(
      context,
      this.stroke.map(([u, v]) => [u, v]),
      '--sketch',
      this.shown.length ? 1.5 : 3
    );
    context.strokeStyle = colour('--bad');
    context.lineWidth = 5;
    context.beginPath();
    this.stroke.forEach(([u, v], index) => {
      if (reach.has([u, v])) return;
      const before = this.stroke[Math.max(0, index - 1)];
      context.moveTo(...plane.pixel([before[0], before[1]]));
      context.lineTo(...plane.pixel([u, v]));
    });
    context.stroke();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Place[]} places
   * @param {string} name
   * @param {number} thick
   * @param {number[]} [dash]
   */
  line(context, places, name, thick, dash = []) {
    if (places.length < 2) return;
    const plane = /** @type {Plane} */ (this.plane);
    context.beginPath();
    places.forEach((at, index) => {
      if (index) context.lineTo(...plane.pixel(at));
      else context.moveTo(...plane.pixel(at));
    });
    context.setLineDash(dash);
    context.strokeStyle = colour(name);
    context.lineWidth = thick;
    context.stroke();
    context.setLineDash([]);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Place} at
   * @param {number} radius
   * @param {string} name
   * @param {boolean} full
   */
  dot(context, at, radius, name, full) {
    const [x, y] = /** @type {Plane} */ (this.plane).pixel(at);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = colour(full ? name : '--paper');
    context.strokeStyle = colour(name);
    context.lineWidth = 2;
    context.fill();
    context.stroke();
  }

  /** @param {CanvasRenderingContext2D} context @param {Place} at */
  cross(context, at) {
    const [x, y] = /** @type {Plane} */ (this.plane).pixel(at);
    context.strokeStyle = colour('--bad');
    context.lineWidth = 3;
    context.beginPath();
    context.arc(x, y, 13, 0, 2 * Math.PI);
    context.moveTo(x - 6, y - 6);
    context.lineTo(x + 6, y + 6);
    context.moveTo(x + 6, y - 6);
    context.lineTo(x - 6, y + 6);
    context.stroke();
  }

  /** @param {CanvasRenderingContext2D} context @param {{at: Place, isDown: boolean}} cursor */
  crosshair(context, {at, isDown}) {
    const [x, y] = /** @type {Plane} */ (this.plane).pixel(at);
    context.strokeStyle = colour(isDown ? '--accent' : '--ink');
    context.lineWidth = 2;
    context.beginPath();
    for (const [across, up] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ]) {
      context.moveTo(x + 5 * across, y + 5 * up);
      context.lineTo(x + 14 * across, y + 14 * up);
    }
    context.stroke();
    if (isDown) this.dot(context, at, 3.5, '--accent', true);
  }
}
