// @ts-check
/** Play what was learned: the only thing on this page that moves an arm. */
import {act, confirmed} from '../live/driver.js';
import {on} from '../live/link.js';
import {model, moves} from '../live/model.js';
import {byId, figure, say} from '../live/said.js';

const REAL =
  'The arm will move. Keep people and things out of its way, and a hand on its emergency ' +
  'stop. The space bar and the red button halt it; and it is halted when this page goes away ' +
  'for 2 seconds.';

byId('play-button').addEventListener('click', async () => {
  if (model.state?.simulated === false && !(await confirmed('real-arm', REAL))) {
    say('play', 'Nothing was moved.');
    return;
  }
  say('play', 'Starting.');
  let answer = await act('play', {allow_poor: false});
  if (
    !answer.ok &&
    answer.poor &&
    (await confirmed('poor', `${answer.text} It can be played all the same.`))
  ) {
    answer = await act('play', {allow_poor: true});
  }
  say('play', answer.text, !answer.ok);
});

byId('reset').addEventListener('click', async () => {
  const answer = await act('reset');
  say('play', answer.text, !answer.ok);
});

const AWAY = 'Nothing is known of the arm: no connection.';
const PHASES = /** @type {Record<string, string>} */ ({
  idle: 'The arm rests.',
  easing: 'The arm goes to where the movement begins.',
  playing: 'The arm plays.',
  done: 'Played.',
  halted: 'Halted.',
});
let phase = '';
let before = '';

on('state', (state) => {
  const moving = moves();
  byId('play-button').disabled =
    !state.ready || !state.learned || moving || state.phase === 'halted' || Boolean(state.busy);
  byId('reset').hidden = state.phase !== 'halted';
  byId('progress').value = moving || state.phase === 'done' ? state.fraction : 0;
  byId('progress-said').textContent =
    state.phase === 'playing'
      ? `${figure(state.fraction * state.duration, 1)} of ${figure(state.duration, 1)} s`
      : '';
  document.body.dataset.phase = state.phase;
  const doing =
    state.phase === 'idle' && state.busy
      ? `${state.busy.charAt(0).toUpperCase()}${state.busy.slice(1)} …`
      : '';
  tellPhase(
    doing ||
      `${PHASES[state.phase] || state.phase} ${
        state.phase === 'halted'
          ? `${state.reason} Press Reset before anything is played again.`
          : ''
      }`
  );
  if (state.phase !== 'halted' && before === 'halted') byId('halt-said').textContent = '';
  before = state.phase;
});
on('link', (connected) => {
  if (!connected) tellPhase(AWAY);
});

/** @param {string} text */
function tellPhase(text) {
  if (phase !== text) byId('phase').textContent = text; // said by screen readers when it changes
  phase = text;
}
