// @ts-check
/** Learn with one update, and what it cost. */
import {act} from '../live/driver.js';
import {on} from '../live/link.js';
import {model, moves} from '../live/model.js';
import {byId, count, figure, oncePerFrame, say, whenLooksChange} from '../live/said.js';
import {chipMap, raster, signalMap} from './pictures.js';

byId('learn-button').addEventListener('click', async () => {
  say('learn', 'One update of the chip.');
  const answer = await act('learn');
  say('learn', answer.text, !answer.ok);
});

on('state', (state) => {
  byId('learn-button').disabled = !state.ready || !state.shown || moves() || Boolean(state.busy);
  byId('learn-button').setAttribute('aria-busy', String(state.busy === 'learning'));
  byId('learn-hint').textContent = state.shown
    ? state.learned
      ? 'Learning again forgets the movement before it.'
      : 'One click, one update of the chip.'
    : 'Show a movement first.';
});

/** @param {number|null|undefined} seconds null: not known, another client made it learn */
function time(seconds) {
  if (seconds === null || seconds === undefined) return 'not known';
  return seconds < 1 ? `${figure(1000 * seconds, 0)} ms` : `${figure(seconds, 1)} s`;
}

on('learned', (learned) => {
  byId('learn-figures').hidden = byId('inside').hidden = !learned;
  draw();
  if (!learned) return;
  byId('expected').textContent = `${figure(learned.expected_cm)} cm`;
  byId('cells').textContent = `${count(learned.cells)} of ${count(learned.cells_total)}`;
  byId('devices').textContent = count(learned.devices);
  byId('pulses').textContent = count(learned.pulses);
  byId('energy').textContent = `${figure(learned.energy_uj)} µJ`;
  byId('learn-time').textContent = time(learned.learn_seconds);
  byId('write-time').textContent = time(learned.write_seconds);
  byId('poor-text').textContent = learned.poor || '';
  byId('map').setAttribute(
    'aria-label',
    `Map of the chip: ${count(learned.cells)} of ` +
      `${count(learned.cells_total)} cells were written.`
  );
  byId('raster').setAttribute(
    'aria-label',
    `Raster: ${count(learned.spikes.length)} spikes of ` +
      `${learned.neurons} neurons in ${learned.steps} steps.`
  );
  byId('signals').setAttribute(
    'aria-label',
    `Learning signals of ${learned.signals.rows} neurons ` + `in ${learned.signals.columns} steps.`
  );
});

const draw = oncePerFrame(() => {
  const {learned} = model;
  if (!learned || !byId('inside').open) return;
  chipMap(byId('map'), learned.map);
  raster(
    byId('raster'),
    model.played?.spikes?.length ? model.played.spikes : learned.spikes,
    learned.neurons,
    learned.steps
  );
  signalMap(byId('signals'), learned.signals);
});
on('played', draw);
byId('inside').addEventListener('toggle', draw);
whenLooksChange(byId('map'), draw);
