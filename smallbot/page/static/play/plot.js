// @ts-check
/** The error of the tool tip over time. */
import {on} from '../live/link.js';
import {model} from '../live/model.js';
import {byId, colour, figure, fitted, oncePerFrame, whenLooksChange} from '../live/said.js';

const canvas = byId('error-plot');

const draw = oncePerFrame(() => {
  const {context, width, height} = fitted(canvas);
  const error = model.played?.error || [];
  const [left, bottom, top, right] = [50, 24, 10, 12];
  const last = error.at(-1)?.[0] || model.state?.duration || 1;
  const highest = nice(Math.max(0.5, ...error.map((/** @type {number[]} */ pair) => pair[1])));
  const x = (/** @type {number} */ seconds) => left + (seconds / last) * (width - left - right);
  const y = (/** @type {number} */ cm) =>
    height - bottom - (cm / highest) * (height - bottom - top);
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  context.lineWidth = 1;
  for (let n = 0; n <= 4; n += 1) {
    const cm = (highest * n) / 4;
    context.strokeStyle = colour(n ? '--grid' : '--axis');
    context.beginPath();
    context.moveTo(left, Math.round(y(cm)) + 0.5);
    context.lineTo(width - right, Math.round(y(cm)) + 0.5);
    context.stroke();
    context.fillStyle = colour('--quiet');
    context.textAlign = 'right';
    context.textBaseline = 'middle';
    if (n % 2 === 0)
      context.fillText(
        `${cm.toFixed(highest < 4 ? 1 : 0)}${n === 4 ? ' cm' : ''}`,
        left - 6,
        y(cm) + (n === 4 ? 4 : 0)
      );
  }
  context.textBaseline = 'alphabetic';
  for (let n = 0; n <= 2; n += 1) {
    context.textAlign = n === 2 ? 'right' : n ? 'center' : 'left';
    context.fillText(
      `${figure((last * n) / 2, 1)}${n === 2 ? ' s' : ''}`,
      x((last * n) / 2),
      height - 6
    );
  }
  if (error.length < 2) return;
  context.beginPath();
  for (const [seconds, cm] of error) context.lineTo(x(seconds), y(cm));
  context.lineJoin = 'round';
  context.lineWidth = 2;
  context.strokeStyle = colour('--reached');
  context.stroke();
});

/** The next round number. @param {number} value */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 4, 10].find((step) => step * power >= value) || 10);
}

on('played', (played) => {
  byId('error-figures').hidden = !played;
  if (played) {
    byId('arm-error').textContent = `${figure(played.arm_tip_rmse_cm)} cm`;
    byId('network-error').textContent = `${figure(played.network_tip_rmse_cm)} cm`;
    byId('before-error').textContent = `${figure(played.before_tip_rmse_cm)} cm`;
    const most = played.error.reduce(
      (/** @type {number[]} */ worst, /** @type {number[]} */ pair) =>
        pair[1] > worst[1] ? pair : worst,
      [0, 0]
    );
    canvas.setAttribute(
      'aria-label',
      `Error of the tool tip over time: ${figure(played.arm_tip_rmse_cm)} cm ` +
        `root mean square, at most ${figure(most[1], 1)} cm, after ${figure(most[0], 1)} seconds.`
    );
  } else {
    canvas.setAttribute('aria-label', 'Error of the tool tip over time: nothing was played yet.');
  }
  draw();
});
whenLooksChange(canvas, draw);
