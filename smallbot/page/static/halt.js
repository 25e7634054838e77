// @ts-check
/**
 * The halt: the red button and the space bar. Loaded first and needing nothing else.
 *
 * It is sent at once, when the key or the finger goes down, by both ways there are: the websocket
 * where it is open, and a request of its own. As long as the page does not know what the arm does
 * (just loaded, or without a connection) the space bar halts too.
 */

/** What the rest of the page has told: does anything move, is there a connection? */
const known = {moves: /** @type {boolean|null} */ (null), connected: true};
let pressed = -Infinity;
/** Has the space bar that is down halted? A focused button is clicked when it comes up again. */
let swallowed = false;
/** @type {() => void} */
let sendAlso = () => {};

/** The name of this tab, kept over a reload. */
export const client = (() => {
  const make = () =>
    [...crypto.getRandomValues(new Uint8Array(8))]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('');
  try {
    const kept = sessionStorage.getItem('smallbot-client') || make();
    sessionStorage.setItem('smallbot-client', kept);
    return kept;
  } catch {
    return make();
  }
})();

/** Let the halt go over the websocket as well. @param {() => void} send */
export function haltBy(send) {
  sendAlso = send;
}

/** @param {{moves?: boolean|null, connected?: boolean}} news `moves` null: not known */
export function tellHalt(news) {
  Object.assign(known, news);
  const hint = document.getElementById('halt-hint');
  if (!hint) return;
  document.getElementById('halt')?.classList.toggle('cut', !known.connected);
  hint.textContent = known.connected ? 'space bar' : 'no connection';
}

/** Halt the arm. */
export async function halt() {
  pressed = performance.now();
  try {
    sendAlso();
  } catch {
    /* the request below goes its own way */
  }
  try {
    const answer = await fetch(`/api/halt?client=${client}`, {
      method: 'POST',
      keepalive: true,
      headers: {'X-Smallbot': 'page'},
    });
    const {text} = await answer.json();
    say(answer.ok ? text || 'Halted.' : `The halt was refused: ${text}`, !answer.ok);
  } catch {
    say(
      'The halt did not get through: no connection to smallbot. ' +
        'Use the emergency stop of the arm.',
      true
    );
  }
}

/** @param {string} text @param {boolean} bad */
function say(text, bad) {
  const place = document.getElementById('halt-said');
  if (!place) return;
  place.textContent = text;
  place.classList.toggle('bad', bad);
}

/** Also where an open dialog makes all else of the page deaf. @param {Event} event */
function onButton(event) {
  if (event.target instanceof Element && event.target.closest('#halt')) return true;
  const dialog = document.querySelector('dialog[open]');
  const button = document.getElementById('halt');
  return (
    event instanceof PointerEvent &&
    dialog !== null &&
    button !== null &&
    within(button, event) &&
    !within(dialog, event)
  );
}

/** @param {Element} element @param {PointerEvent} event */
function within(element, {clientX: x, clientY: y}) {
  const {left, right, top, bottom} = element.getBoundingClientRect();
  return x >= left && x <= right && y >= top && y <= bottom;
}

/** @param {EventTarget|null} target */
function takesText(target) {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target instanceof HTMLTextAreaElement ||
      (target instanceof HTMLInputElement &&
        ['text', 'number', 'search', 'email', 'url', 'password', 'tel'].includes(target.type)))
  );
}

addEventListener(
  'keydown',
  (event) => {
    if (event.key !== ' ' || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.repeat) {
      if (swallowed) event.preventDefault();
      return;
    }
    if (onButton(event) || (known.moves !== false && !takesText(event.target))) {
      event.preventDefault();
      swallowed = true;
      halt();
    }
  },
  {capture: true}
);

addEventListener(
  'keyup',
  (event) => {
    if (event.key !== ' ' || !swallowed) return;
    swallowed = false;
    event.preventDefault();
  },
  {capture: true}
);

addEventListener(
  'pointerdown',
  (event) => {
    if (onButton(event)) halt();
  },
  {capture: true}
);

// Enter, and what screen readers and voice control do, come as a click alone.
addEventListener(
  'click',
  (event) => {
    if (onButton(event) && performance.now() - pressed > 1000) halt();
  },
  {capture: true}
);
