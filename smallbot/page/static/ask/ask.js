// @ts-check
/** What would time, dead devices and noise do to what is shown? Nothing here touches the arm. */
import {ask, on} from '../live/link.js';
import {model} from '../live/model.js';
import {byId, figure, say} from '../live/said.js';
import {drawing} from '../show/show.js';

/** Ages that can be asked for, s: from the reference time of the devices' law to a month. */
const [SOONEST, LATEST] = [300, 30 * 86400];
const NAMED = /** @type {[string, number][]} */ ([
  ['5 minutes', 300],
  ['an hour', 3600],
  ['a day', 86400],
  ['a week', 7 * 86400],
  ['a month', 30 * 86400],
]);
/** A slider has to rest so long before it asks, ms. */
const REST = 250;

/** Seconds of the slider, which goes by powers; close to a named age it is that age. */
function age() {
  const value = SOONEST * (LATEST / SOONEST) ** (Number(byId('age').value) / 1000);
  return NAMED.find(([, seconds]) => Math.abs(Math.log(value / seconds)) < 0.07)?.[1] ?? value;
}

/** @param {number} seconds */
function ageInWords(seconds) {
  const named = NAMED.find(([, value]) => value === seconds);
  if (named) return named[0];
  if (seconds < 3600) return `${Math.round(seconds / 60)} minutes`;
  if (seconds < 2 * 86400) return `${Math.round(seconds / 3600)} hours`;
  return `${Math.round(seconds / 86400)} days`;
}

function words() {
  const parts = {
    age: ageInWords(age()),
    stuck: `${byId('stuck').value} %`,
    noise: `${Number(byId('noise').value).toFixed(1)} times`,
  };
  for (const [id, text] of Object.entries(parts)) {
    byId(`${id}-said`).textContent = text;
    byId(id).setAttribute('aria-valuetext', text);
  }
}

let timer = 0;
/** Was anything asked since the movement was shown? */
let curious = false;

async function question() {
  if (!model.shown) return;
  curious = true;
  say('ask', 'Asking several chips.');
  byId('ask-figures').classList.add('old');
  const answer = await ask('ask', {
    age: age(),
    stuck: Number(byId('stuck').value) / 100,
    noise: Number(byId('noise').value),
  });
  if (answer.superseded) return;
  say('ask', answer.text, !answer.ok);
  byId('ask-figures').classList.remove('old');
  byId('ask-figures').hidden = !answer.ok;
  if (!answer.ok) return;
  byId('asked-error').textContent = `${figure(answer.tip_rmse_cm)} cm`;
  byId('asked-spread').textContent =
    `${figure(answer.spread[0])} to ${figure(answer.spread[1])} cm ` + `on ${answer.chips} chips`;
  byId('asked-before').textContent = `${figure(answer.before)} cm`;
  drawing.answered = answer.plane;
  drawing.redraw();
}

function soon() {
  words();
  clearTimeout(timer);
  timer = setTimeout(question, REST);
}

for (const id of ['age', 'stuck', 'noise']) byId(id).addEventListener('input', soon);

for (const button of document.querySelectorAll('[data-ask]')) {
  button.addEventListener('click', () => {
    const {seconds, stuck, noise} = JSON.parse(
      /** @type {HTMLElement} */ (button).dataset.ask || '{}'
    );
    byId('age').value = (1000 * Math.log(seconds / SOONEST)) / Math.log(LATEST / SOONEST);
    byId('stuck').value = stuck;
    byId('noise').value = noise;
    soon();
  });
}

on('shown', (shown) => {
  byId('ask-fields').disabled = !shown;
  drawing.answered = [];
  drawing.redraw();
  byId('ask-figures').hidden = true;
  say('ask', shown ? '' : 'Show a movement first.');
  if (shown && curious) soon();
});
words();
