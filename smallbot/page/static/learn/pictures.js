// @ts-check
/** Small pictures of one update: the chip's map, spikes, learning signals. */
import {bytes, colour, fitted} from '../live/said.js';

/** The parts of a colour, 0 to 255. @param {string} name @returns {number[]} */
function parts(name) {
  return (colour(name).match(/[\d.]+/g) || []).slice(0, 3).map(Number);
}

/** @param {number[]} from @param {number[]} to @param {number} share */
const between = (from, to, share) =>
  from.map((value, index) => value + share * (to[index] - value));

/**
 * Cells as pixels, as large as they go, one for one where the canvas has the room.
 * @param {HTMLCanvasElement} canvas @param {number} rows @param {number} columns
 * @param {(index: number) => number[]} ink red, green, blue of a cell
 */
function cells(canvas, rows, columns, ink) {
  const small = document.createElement('canvas');
  small.width = columns;
  small.height = rows;
  const inside = /** @type {CanvasRenderingContext2D} */ (small.getContext('2d'));
  const image = inside.createImageData(columns, rows);
  for (let index = 0; index < rows * columns; index += 1) {
    image.data.set([...ink(index), 255], 4 * index);
  }
  inside.putImageData(image, 0, 0);
  const {context, width, height} = fitted(canvas);
  context.imageSmoothingEnabled = columns > width;
  context.drawImage(small, 0, 0, width, height);
}

/** Which cells were written, and how much. @param {HTMLCanvasElement} canvas @param {any} map */
export function chipMap(canvas, map) {
  const values = bytes(map.data);
  const [empty, full] = [parts('--cell'), parts('--accent')];
  canvas.style.aspectRatio = `${map.columns} / ${map.rows}`;
  const {context, width, height} = fitted(canvas);
  const [wide, tall] = [width / map.columns, height / map.rows];
  context.fillStyle = `rgb(${empty})`;
  context.fillRect(0, 0, width, height);
  values.forEach((value, index) => {
    // few are: each is large enough to be seen
    if (!value) return;
    context.fillStyle = `rgb(${between(empty, full, 0.4 + (0.6 * value) / 255)})`;
    context.fillRect(
      (index % map.columns) * wide,
      Math.floor(index / map.columns) * tall,
      Math.max(1.6, wide),
      Math.max(1.6, tall)
    );
  });
}

/**
 * Which neuron fired when.
 * @param {HTMLCanvasElement} canvas
 * @param {number[][]} spikes
 * @param {number} neurons
 * @param {number} steps
 */
export function raster(canvas, spikes, neurons, steps) {
  const {context, width, height} = fitted(canvas);
  context.fillStyle = colour('--ink');
  const tall = Math.max(1, (height / neurons) * 0.8);
  const wide = Math.max(1, width / steps);
  for (const [step, neuron] of spikes) {
    context.fillRect((step / steps) * width, (neuron / neurons) * height, wide, tall);
  }
}

/**
 * Learning signals: blue below zero, orange above.
 * @param {HTMLCanvasElement} canvas
 * @param {any} signals
 */
export function signalMap(canvas, signals) {
  const values = new Int8Array(bytes(signals.data).buffer);
  const [none, below, above] = [parts('--paper'), parts('--shown'), parts('--reached')];
  cells(canvas, signals.rows, signals.columns, (index) =>
    between(none, values[index] < 0 ? below : above, Math.min(1, Math.abs(values[index]) / 127))
  );
}
