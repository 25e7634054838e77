// @ts-check
/** The plane of the tool tip: metres to pixels, the arm's reach, the grid. */
import {bytes, colour} from '../live/said.js';

/** @typedef {[number, number]} Place metres right and up */

/** Weights of a cell and its neighbours in a softened border. */
const KERNEL = [1, 4, 6, 4, 1];

/** A plane as it stands in a canvas of this size. */
export class Plane {
  /** @param {any} plane of the arm @param {number} width @param {number} height CSS pixels */
  constructor(plane, width, height) {
    this.u = plane.u;
    this.v = plane.v;
    this.scale = Math.min(width / (this.u[1] - this.u[0]), height / (this.v[1] - this.v[0]));
    this.left = (width - this.scale * (this.u[1] - this.u[0])) / 2;
    this.bottom = (height + this.scale * (this.v[1] - this.v[0])) / 2;
  }

  /** @param {Place} at @returns {Place} */
  pixel = ([u, v]) => [
    this.left + (u - this.u[0]) * this.scale,
    this.bottom - (v - this.v[0]) * this.scale,
  ];

  /** @param {number} x @param {number} y @returns {Place} */
  place = (x, y) => [
    this.u[0] + (x - this.left) / this.scale,
    this.v[0] + (this.bottom - y) / this.scale,
  ];
}

/** Where the tip of the arm can be. */
export class Reach {
  /** @param {any} arm */
  constructor(arm) {
    this.plane = arm.plane;
    this.rows = arm.reach.rows;
    this.columns = arm.reach.columns;
    this.cells = bytes(arm.reach.data);
    this.soft = this.blurred();
  }

  /** The cells with their neighbours mixed in: a border without steps, for the picture alone. */
  blurred() {
    const made = new Float32Array(this.cells.length);
    for (let row = 0; row < this.rows; row += 1) {
      for (let column = 0; column < this.columns; column += 1) {
        let sum = 0;
        let all = 0;
        for (let r = Math.max(0, row - 2); r <= Math.min(this.rows - 1, row + 2); r += 1) {
          for (
            let c = Math.max(0, column - 2);
            c <= Math.min(this.columns - 1, column + 2);
            c += 1
          ) {
            const weight = KERNEL[r - row + 2] * KERNEL[c - column + 2];
            sum += weight * this.cells[r * this.columns + c];
            all += weight;
          }
        }
        made[row * this.columns + column] = sum / all;
      }
    }
    return made;
  }

  /** @param {ArrayLike<number>} cells @param {number} row @param {number} column */
  cell(cells, row, column) {
    const r = Math.min(this.rows - 1, Math.max(0, row));
    const c = Math.min(this.columns - 1, Math.max(0, column));
    return cells[r * this.columns + c];
  }

  /** Row and column, not whole, of a place. @param {Place} at @returns {Place} */
  at([u, v]) {
    const {
      u: [left, right],
      v: [low, high],
    } = this.plane;
    return [
      ((v - low) / (high - low)) * this.rows - 0.5,
      ((u - left) / (right - left)) * this.columns - 0.5,
    ];
  }

  /** Is this place within reach? @param {Place} at */
  has(at) {
    const [row, column] = this.at(at);
    if (row < -1 || column < -1 || row > this.rows || column > this.columns) return false;
    return this.share(this.cells, row, column) >= 0.5;
  }

  /**
   * How much of the four cells around is within reach, weighted.
   * @param {ArrayLike<number>} cells
   * @param {number} row
   * @param {number} column
   */
  share(cells, row, column) {
    const r = Math.floor(row);
    const c = Math.floor(column);
    const y = row - r;
    const x = column - c;
    return (
      (1 - y) * ((1 - x) * this.cell(cells, r, c) + x * this.cell(cells, r, c + 1)) +
      y * ((1 - x) * this.cell(cells, r + 1, c) + x * this.cell(cells, r + 1, c + 1))
    );
  }
}

/**
 * The paper: reach plain, all else hatched, a grid of tenths of a metre.
 * @param {Reach} reach
 * @param {Plane} plane
 * @param {number} width CSS pixels
 * @param {number} height CSS pixels
 * @param {number} ratio pixels of the device for each
 */
export function paper(reach, plane, width, height, ratio) {
  const made = document.createElement('canvas');
  made.width = Math.round(width * ratio);
  made.height = Math.round(height * ratio);
  const context = /** @type {CanvasRenderingContext2D} */ (made.getContext('2d'));
  context.scale(ratio, ratio);
  hatched(context, width, height);
  context.globalCompositeOperation = 'destination-out';
  context.drawImage(mask(reach, plane, width, height), 0, 0, width, height);
  context.globalCompositeOperation = 'destination-over';
  context.fillStyle = colour('--paper');
  context.fillRect(0, 0, width, height);
  context.globalCompositeOperation = 'source-over';
  grid(context, plane, width, height);
  return made;
}

/** @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
function hatched(context, width, height) {
  context.fillStyle = colour('--beyond');
  context.fillRect(0, 0, width, height);
  context.strokeStyle = colour('--hatch');
  context.lineWidth = 1;
  context.beginPath();
  for (let x = -height; x < width; x += 9) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
}

/**
 * Opaque where the arm reaches, at half the resolution.
 * @param {Reach} reach
 * @param {Plane} plane
 * @param {number} width
 * @param {number} height
 */
function mask(reach, plane, width, height) {
  const made = document.createElement('canvas');
  made.width = Math.max(1, Math.ceil(width));
  made.height = Math.max(1, Math.ceil(height));
  const context = /** @type {CanvasRenderingContext2D} */ (made.getContext('2d'));
  const image = context.createImageData(made.width, made.height);
  for (let y = 0, index = 3; y < made.height; y += 1) {
    for (let x = 0; x < made.width; x += 1, index += 4) {
      const share = reach.share(reach.soft, ...reach.at(plane.place(x + 0.5, y + 0.5)));
      image.data[index] = Math.max(0, Math.min(1, (share - 0.5) * 12 + 0.5)) * 255;
    }
  }
  context.putImageData(image, 0, 0);
  return made;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {number} width
 * @param {number} height
 */
function grid(context, plane, width, height) {
  const span = width / plane.scale;
  const step = [0.02, 0.05, 0.1, 0.2, 0.5, 1].find((metres) => span / metres <= 14) || 2;
  const [left, top] = plane.place(0, 0);
  const [right, bottom] = plane.place(width, height);
  context.lineWidth = 1;
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.fillStyle = colour('--quiet');
  context.textBaseline = 'alphabetic';
  const across = steps(left, right, step).map((metres) => [metres, plane.pixel([metres, 0])[0]]);
  const up = steps(bottom, top, step).map((metres) => [metres, plane.pixel([0, metres])[1]]);
  for (const [metres, x] of across) rule(context, metres === 0, x, 0, x, height);
  for (const [metres, y] of up) rule(context, metres === 0, 0, y, width, y);
  for (const [metres, x] of every(across, step)) {
    if (x > 34 && x < width - 44) label(context, metres, x + 3, height - 5);
  }
  for (const [metres, y] of every(up, step)) {
    if (y > 14 && y < height - 20) label(context, metres, 5, y - 3);
  }
}

/**
 * Multiples of a step between two ends.
 * @param {number} from
 * @param {number} to
 * @param {number} step
 */
function steps(from, to, step) {
  const made = [];
  for (let n = Math.ceil(from / step); n * step <= to; n += 1) made.push(n * step);
  return made;
}

/**
 * Every other one, zero among them.
 * @param {number[][]} lines
 * @param {number} step
 */
function every(lines, step) {
  return lines.filter(([metres]) => Math.round(metres / step) % 2 === 0);
}

/** @param {CanvasRenderingContext2D} context @param {boolean} zero @param {number[]} ends */
function rule(context, zero, ...ends) {
  const [fromX, fromY, toX, toY] = ends.map((value) => Math.round(value) + 0.5);
  context.strokeStyle = colour(zero ? '--axis' : '--grid');
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} metres
 * @param {number} x
 * @param {number} y
 */
function label(context, metres, x, y) {
  const text = `${metres.toFixed(1)} m`;
  context.lineWidth = 4;
  context.lineJoin = 'round';
  context.strokeStyle = colour('--paper');
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
  context.lineWidth = 1;
}
