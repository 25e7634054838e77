// @ts-check
/** A few characters, one drawing of each; then one more, and which is it? */
import {ask} from '../live/link.js';
import {byId, bytes, count, figure, say} from '../live/said.js';
import {Sheet} from './sheet.js';

const MOST = 5;
/** Pixels of what the network sees, each way. */
const SIDE = 28;

/** Which sheets were taught, in the order of the probabilities. @type {number[]} */
let taught = [];
const speak = (/** @type {string} */ text) => {
  byId('sheet-said').textContent = text;
};

/**
 * Make a sheet with its label and its button.
 * @param {string} id
 * @param {string} title
 * @param {() => void} changed
 */
function place(id, title, changed) {
  const figureElement = byId('sheet').content.firstElementChild.cloneNode(true);
  const canvas = figureElement.querySelector('canvas.sheet');
  canvas.id = id;
  canvas.setAttribute('aria-label', `Drawing area: ${title}`);
  figureElement.querySelector('figcaption').textContent = title;
  const clear = figureElement.querySelector('button');
  clear.setAttribute('aria-label', `Clear ${title}`);
  const seen = figureElement.querySelector('.seen');
  byId(id.startsWith('sheet') ? 'sheets' : 'question').append(figureElement);
  const sheet = new Sheet(
    canvas,
    () => {
      clear.disabled = sheet.empty;
      seen.hidden = true;
      changed();
    },
    speak
  );
  clear.addEventListener('click', () => sheet.clear());
  return {sheet, seen, title};
}

const classes = Array.from({length: MOST}, (_, index) =>
  place(`sheet-${index + 1}`, `Character ${index + 1}`, forgotten)
);
const unknown = place('unknown', 'One more', asked);

/** What was taught is no longer what is drawn. */
function forgotten() {
  taught = [];
  bars([]);
  buttons();
}

let timer = 0;
function asked() {
  buttons();
  clearTimeout(timer);
  if (taught.length && !unknown.sheet.empty) timer = setTimeout(tell, 500);
  else bars([]);
}

function buttons() {
  byId('teach').disabled = classes.filter(({sheet}) => !sheet.empty).length < 2;
  byId('tell').disabled = !taught.length || unknown.sheet.empty;
}

/**
 * Draw what the network saw.
 * @param {HTMLCanvasElement} canvas
 * @param {string} data base64 of 28 x 28 bytes
 */
function see(canvas, data) {
  const values = bytes(data);
  canvas.hidden = false;
  canvas.width = canvas.height = SIDE;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = context.createImageData(SIDE, SIDE);
  values.forEach((value, index) => image.data.set([value, value, value, 255], 4 * index));
  context.putImageData(image, 0, 0);
}

byId('teach').addEventListener('click', async () => {
  const drawn = classes.map((_, index) => index).filter((index) => !classes[index].sheet.empty);
  say('images', 'Learning them on the chip.');
  byId('teach').disabled = true;
  const answer = await ask('teach', {
    characters: drawn.map((index) => classes[index].sheet.strokes),
  });
  buttons();
  say(
    'images',
    answer.ok
      ? `${answer.text} ${count(answer.cells)} cells written, ` +
          `${figure(answer.energy_uj)} µJ, ${figure(answer.seconds, 1)} s.`
      : answer.text,
    !answer.ok
  );
  if (!answer.ok) return;
  taught = drawn;
  drawn.forEach((index, at) => see(classes[index].seen, answer.seen[at]));
  buttons();
  if (!unknown.sheet.empty) tell();
});

byId('tell').addEventListener('click', tell);

async function tell() {
  if (!taught.length || unknown.sheet.empty) return;
  const answer = await ask('tell', {character: unknown.sheet.strokes});
  if (!answer.ok) {
    say('images', answer.text, true);
    return;
  }
  see(unknown.seen, answer.seen);
  bars(answer.probabilities);
  const best = answer.probabilities.indexOf(Math.max(...answer.probabilities));
  const share = figure(100 * answer.probabilities[best], 0);
  say('images', `It is character ${taught[best] + 1}, says the network, with ${share} %.`);
}

/** @param {number[]} probabilities */
function bars(probabilities) {
  const best = Math.max(...probabilities);
  byId('bars').hidden = !probabilities.length;
  byId('bars')
    .querySelector('tbody')
    .replaceChildren(
      ...probabilities.map((value, at) => {
        const row = document.createElement('tr');
        const name = document.createElement('th');
        name.scope = 'row';
        name.textContent = `Character ${taught[at] + 1}`;
        const number = document.createElement('td');
        number.textContent = `${figure(100 * value, 0)} %`;
        const bar = document.createElement('td');
        const full = document.createElement('span');
        full.style.inlineSize = `${Math.max(1, 100 * value)}%`;
        bar.className = 'bar';
        bar.append(full);
        row.classList.toggle('best', value === best);
        row.append(name, number, bar);
        return row;
      })
    );
}
buttons();
