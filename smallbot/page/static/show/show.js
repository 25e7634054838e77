// @ts-check
/** Show a movement: drawn, chosen, from a file, or recorded. */
import {act, upload} from '../live/driver.js';
import {on} from '../live/link.js';
import {model, moves} from '../live/model.js';
import {byId, figure, oncePerFrame, say} from '../live/said.js';
import {tipOf} from '../play/chain.js';
import {Drawing} from './canvas.js';
import {pen, whenRested} from './pen.js';

/** @typedef {[number, number, number]} Point m right, m up, s */

export const drawing = new Drawing(byId('drawing'));
/** Speed of a line drawn by the keys, m/s: the time that the keys took means nothing. */
const KEYS_SPEED = 0.25;

/**
 * Lines that were drawn and sent, the newest last. @type {{points: Point[], byKeys: boolean}[]}
 */
let drawn = [];
let byKeys = false;
let writing = false;

const redrawTrail = oncePerFrame(() => drawing.redraw(), 60);

/** @param {[number, number]} at */
function inWords([u, v]) {
  const flat = model.arm.plane.up.includes('away');
  const cm = (/** @type {number} */ value, /** @type {string[]} */ [more, less]) =>
    `${Math.abs(100 * value).toFixed(0)} cm ${value >= 0 ? more : less}`;
  return `${cm(u, ['right', 'left'])}, ${cm(v, flat ? ['away', 'near'] : ['up', 'down'])}`;
}

const speak = whenRested((text) => {
  byId('pen-said').textContent = text;
});

/** @param {[number, number]} at */
function checked(at) {
  if (drawing.reach?.has(at)) return;
  say('show', `The arm does not reach ${inWords(at)}.`, true);
}

pen(byId('drawing'), {
  toPaper: (x, y) => drawing.place(x, y),
  step: () => (model.arm.plane.v[1] - model.arm.plane.v[0]) / 80,
  upward: [1, 1],
  kept: ([u, v]) => {
    const {
      u: [left, right],
      v: [low, high],
    } = model.arm.plane;
    return [Math.min(right, Math.max(left, u)), Math.min(high, Math.max(low, v))];
  },
  rest: () => model.arm.start,
  ready: () => model.arm !== null && Boolean(model.state?.ready),
  down: (at, seconds, keys) => {
    writing = true;
    byKeys = keys;
    drawing.stroke = [[...at, seconds]];
    drawing.shown = drawing.trail = drawing.answered = [];
    drawing.fault = null;
    say('show', '');
    checked(at);
    drawing.redraw();
  },
  move: (at, seconds) => {
    drawing.stroke.push([...at, seconds]);
    checked(at);
    drawing.redraw();
  },
  up: (finished) => {
    writing = false;
    if (finished && drawing.stroke.length > 1) {
      drawn.push({points: drawing.stroke, byKeys});
      send();
    } else {
      restored();
    }
  },
  hover: (at, isDown) => {
    drawing.cursor = at && {at, isDown};
    if (at) {
      const out = drawing.reach?.has(at) ? '' : ', out of reach';
      speak(`Pen ${isDown ? 'down' : 'up'}, ${inWords(at)}${out}.`);
    }
    drawing.redraw();
  },
  speed: KEYS_SPEED,
});
byId('drawing').addEventListener('blur', () => {
  drawing.cursor = null;
  drawing.redraw();
});

/** Show again what was there before the line that was given up. */
function restored() {
  drawing.stroke = drawn.at(-1)?.points || [];
  drawing.shown = model.shown?.plane || [];
  drawing.redraw();
  buttons();
}

/** Send the newest line. */
async function send() {
  const line = drawn.at(-1);
  buttons();
  if (!line) return;
  const even = byId('timing-even').checked || line.byKeys;
  const seconds = byId('seconds').value ? Number(byId('seconds').value) : null;
  say('show', 'Looking at what you drew.');
  const answer = await act('draw', {points: line.points, timing: even ? 'even' : 'own', seconds});
  if (line !== drawn.at(-1)) return;
  say('show', answer.text, !answer.ok);
  drawing.fault = answer.ok ? null : answer.at || null;
  drawing.redraw();
}

byId('undo').addEventListener('click', () => {
  drawn.pop();
  drawing.fault = null;
  drawing.stroke = drawn.at(-1)?.points || [];
  drawing.redraw();
  if (drawn.length) send();
  else cleared();
});
byId('clear').addEventListener('click', () => {
  drawn = [];
  cleared();
});

function cleared() {
  drawing.stroke = [];
  drawing.fault = null;
  drawing.redraw();
  buttons();
  say(
    'show',
    model.shown
      ? 'Your line is gone. The arm keeps what it was shown until it is shown something else.'
      : ''
  );
}
for (const id of ['timing-own', 'timing-even', 'seconds']) {
  byId(id).addEventListener('change', () => {
    if (drawn.length) send();
  });
}

/**
 * Do something that shows a movement other than the drawn one.
 * @param {Promise<import('../live/link.js').Answer>} doing
 * @param {string} meanwhile
 */
async function shows(doing, meanwhile) {
  say('show', meanwhile);
  const answer = await doing;
  say('show', answer.text, !answer.ok);
  if (answer.ok) {
    drawn = [];
    drawing.stroke = [];
    drawing.fault = null;
    drawing.redraw();
    buttons();
  }
}

byId('show-example').addEventListener('click', () => {
  const name = byId('example').value;
  if (name) shows(act('example', {name}), 'Reading it.');
});

/** @param {File|undefined} file */
function take(file) {
  if (!file) return;
  const most = model.arm?.most_bytes;
  if (most && file.size > most) {
    say(
      'show',
      `${file.name} has ${figure(file.size / 2 ** 20, 1)} MB, and at most ` +
        `${figure(most / 2 ** 20, 0)} MB are read.`,
      true
    );
    return;
  }
  shows(upload(file), `Reading ${file.name}.`);
}

byId('file').addEventListener('change', () => {
  take(byId('file').files[0]);
  byId('file').value = '';
});
const card = byId('show');
card.addEventListener('dragover', (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  card.classList.add('over');
});
card.addEventListener('dragleave', () => card.classList.remove('over'));
card.addEventListener('drop', (/** @type {DragEvent} */ event) => {
  event.preventDefault();
  card.classList.remove('over');
  take(event.dataTransfer?.files[0]);
});

for (const action of ['start', 'stop', 'discard']) {
  byId(`record-${action}`).addEventListener('click', () =>
    shows(
      act('record', {action}),
      {start: 'Recording: move the arm.', stop: 'Reading what was recorded.', discard: ''}[
        action
      ] || ''
    )
  );
}

function buttons() {
  const free = Boolean(model.state?.ready) && !moves();
  byId('undo').disabled = byId('clear').disabled = !drawn.length;
  byId('show-example').disabled = byId('file').disabled = !free;
  const recording = Boolean(model.state?.recording);
  byId('record').hidden = model.state?.mode !== 'ros';
  byId('record-start').disabled = !free || recording;
  byId('record-stop').disabled = byId('record-discard').disabled = !recording;
}

on('state', buttons);
on('arm', (arm) => {
  drawing.of(arm);
  drawn = [];
  byId('drawing-waits').hidden = arm !== null;
  buttons();
  if (!arm) return;
  byId('example').replaceChildren(
    ...arm.examples.map((/** @type {any} */ one) => new Option(one.title, one.name))
  );
  byId('file').accept = arm.suffixes.join(',');
  byId('file-kinds').textContent =
    `${arm.suffixes.join(', ')}; at most ` +
    `${figure(arm.most_bytes / 2 ** 20, 0)} MB. Or drop it here.`;
});
on('shown', (shown) => {
  drawing.trail = [];
  if (!writing) drawing.shown = shown?.plane || [];
  drawing.redraw();
  byId('shown-name').textContent = shown
    ? `Shown: ${shown.understood || `${shown.name}, ${figure(shown.seconds, 1)} s`}${shown.how}`
    : 'Nothing is shown yet.';
});
on('pose', ({pose, at}) => {
  if (!model.arm || at === null) return;
  if (at < (drawing.latest ?? Infinity)) drawing.trail = [];
  drawing.latest = at;
  drawing.trail.push(drawing.project(tipOf(model.arm, pose)));
  redrawTrail();
});
on('played', (played) => {
  if (!played || !model.arm || moves()) return;
  drawing.trail = played.tip.map((/** @type {number[]} */ tip) => drawing.project(tip));
  drawing.redraw();
});
