// @ts-check
/** The page: all parts of it, and what is said of it as a whole. */
import {tellHalt} from './halt.js';
import {act, confirmed} from './live/driver.js';
import {on, start} from './live/link.js';
import {model, moves} from './live/model.js';
import {byId, say} from './live/said.js';
import './show/show.js';
import './learn/learn.js';
import './play/play.js';
import './play/plot.js';
import {openWhenIdle} from './play/view.js';
import './ask/ask.js';
import './images/images.js';

let linked = false;

on('link', (connected) => {
  if (linked && !connected) {
    byId('away').textContent =
      'The connection to smallbot is lost. It is being looked for; nothing you see is new.';
  } else if (connected) {
    byId('away').textContent = '';
    if (byId('halt-said').classList.contains('bad')) byId('halt-said').textContent = '';
  }
  linked = linked || connected;
  document.body.classList.toggle('cut', !connected);
});

on('told', (text) => {
  say('live-bar', text, true);
  byId('told-close').hidden = false;
});
byId('told-close').addEventListener('click', () => {
  say('live-bar', '');
  byId('told-close').hidden = true;
});

on('state', (state) => {
  tellHalt({moves: moves(), connected: true});
  document.body.dataset.ready = String(state.ready);
  byId('waiting').textContent = state.ready ? '' : `${state.waiting || 'Starting'} …`;
  byId('trouble').textContent = state.trouble || '';
  byId('drawing-waits').textContent = state.ready ? '' : `${state.waiting || 'Starting'} …`;
  byId('mode').textContent =
    state.mode === null
      ? ''
      : `${state.mode === 'ros' ? 'ROS nodes' : 'library'}, ${
          state.simulated === null
            ? 'arm not known yet'
            : state.simulated
              ? 'simulated arm'
              : 'real arm'
        }`;
  byId('model').disabled = !state.ready || moves() || Boolean(state.busy);
});

on('arm', (arm) => {
  if (arm) say('live-bar', '');
  const several = Boolean(arm?.can_choose && arm.models.length > 1);
  byId('model-field').hidden = !several;
  byId('arm-name').textContent = arm ? arm.name : '';
  byId('arm-name').hidden = several;
  if (several) {
    byId('model').replaceChildren(
      ...arm.models.map(
        (/** @type {string} */ name) => new Option(name, name, false, name === arm.model)
      )
    );
  }
  byId('arm-text').textContent = arm
    ? `Arm ${arm.name}, model ${arm.model} (weights ${arm.weights}), synapses: ${
        arm.synapses
      }. Driven joints: ${arm.joints.join(', ')}. A trial takes ${arm.trial_seconds} s.`
    : '';
});

byId('model').addEventListener('change', async () => {
  const name = byId('model').value;
  const lost = Boolean(model.state?.shown);
  if (
    lost &&
    !(await confirmed(
      'another-model',
      `With ${name} everything is made anew: what was shown and learned is forgotten.`
    ))
  ) {
    byId('model').value = model.arm.model;
    return;
  }
  const answer = await act('choose', {model: name});
  say('live-bar', answer.text, !answer.ok);
  if (!answer.ok) byId('model').value = model.arm.model;
});

start();
openWhenIdle();
