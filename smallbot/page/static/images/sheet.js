// @ts-check
/** A small sheet for one character: several strokes, by mouse, pen, finger or the keys. */
import {colour, fitted, oncePerFrame, whenLooksChange} from '../live/said.js';
import {pen, whenRested} from '../show/pen.js';

/** @typedef {[number, number]} Place x right, y down, 0 to 1 */

export class Sheet {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} changed
   * @param {(text: string) => void} speak
   */
  constructor(canvas, changed, speak) {
    this.canvas = canvas;
    this.changed = changed;
    /** @type {Place[][]} */
    this.strokes = [];
    /** @type {{at: Place, isDown: boolean}|null} */
    this.cursor = null;
    this.redraw = oncePerFrame(() => this.draw());
    const said = whenRested(speak);
    pen(canvas, {
      toPaper: (x, y) => this.kept([x / canvas.clientWidth, y / canvas.clientHeight]),
      step: () => 0.04,
      upward: [1, -1],
      kept: (at) => this.kept(at),
      rest: () => [0.5, 0.5],
      ready: () => true,
      down: (at) => {
        this.strokes.push([at]);
        this.redraw();
      },
      move: (at) => {
        this.strokes.at(-1)?.push(at);
        this.redraw();
      },
      up: (finished) => {
        if (!finished) this.strokes.pop();
        this.redraw();
        this.changed();
      },
      hover: (at, isDown) => {
        this.cursor = at && {at, isDown};
        if (at) {
          said(
            `Pen ${isDown ? 'down' : 'up'}, ${Math.round(100 * at[0])} % from the left, ` +
              `${Math.round(100 * at[1])} % from the top.`
          );
        }
        this.redraw();
      },
      speed: 1,
    });
    canvas.addEventListener('blur', () => {
      this.cursor = null;
      this.redraw();
    });
    whenLooksChange(canvas, this.redraw);
  }

  /** @param {number[]} at @returns {Place} */
  kept([x, y]) {
    return [Math.min(1, Math.max(0, x)), Math.min(1, Math.max(0, y))];
  }

  get empty() {
    return this.strokes.length === 0;
  }

  clear() {
    this.strokes = [];
    this.redraw();
    this.changed();
  }

  draw() {
    const {context, width, height} = fitted(this.canvas);
    context.lineCap = context.lineJoin = 'round';
    context.lineWidth = Math.max(3, width / 26);
    context.strokeStyle = colour('--ink');
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(stroke[0][0] * width, stroke[0][1] * height);
      for (const [x, y] of stroke) context.lineTo(x * width + 0.01, y * height);
      context.stroke();
    }
    if (!this.cursor) return;
    const {
      at: [x, y],
      isDown,
    } = this.cursor;
    context.beginPath();
    context.arc(x * width, y * height, isDown ? 4 : 7, 0, 2 * Math.PI);
    context.strokeStyle = colour('--accent');
    context.lineWidth = 2.5;
    context.stroke();
  }
}
