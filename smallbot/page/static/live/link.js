// @ts-check
/**
 * The websocket to the server: asked and answered, told of what happens, back by itself.
 *
 * Events: `link` (boolean, connected), and whatever the server says unasked: `state`, `pose`,
 * `told`, each with what came.
 */
import {client, haltBy, tellHalt} from '../halt.js';

/** @typedef {{ok: boolean, text: string, [more: string]: any}} Answer */

/** Most time between two tries to connect, ms. */
const SLOWEST = 2000;
/** Longest time an answer may take, ms. */
const PATIENCE = 60000;

/** @type {WebSocket|null} */
let socket = null;
let wait = 125;
let number = 0;
let name = client;
/** @type {Map<number, (answer: Answer) => void>} */
const open = new Map();
/** @type {Map<string, Set<(value: any) => void>>} */
const listeners = new Map();

/**
 * Call `listener` with each piece of news of this kind.
 * @param {string} kind
 * @param {(value: any) => void} listener
 */
export function on(kind, listener) {
  if (!listeners.has(kind)) listeners.set(kind, new Set());
  listeners.get(kind)?.add(listener);
}

/** Pass a piece of news on. @param {string} kind @param {any} value */
export function tell(kind, value) {
  for (const listener of listeners.get(kind) || []) {
    try {
      listener(value);
    } catch (fault) {
      console.error(fault);
    }
  }
}

/** The name of this tab towards the server. */
export const clientName = () => name;

/**
 * Ask the server to do something.
 * @param {string} what
 * @param {object} [fields]
 * @returns {Promise<Answer>}
 */
export function ask(what, fields = {}) {
  if (!socket || socket.readyState !== WebSocket.OPEN) {
    return Promise.resolve({
      ok: false,
      text: 'No connection to smallbot: it is being looked for.',
    });
  }
  number += 1;
  const id = number;
  socket.send(JSON.stringify({...fields, do: what, id}));
  return new Promise((resolve) => {
    const late = setTimeout(
      () => settle(id, {ok: false, text: 'smallbot did not answer.'}),
      PATIENCE
    );
    open.set(id, (answer) => {
      clearTimeout(late);
      resolve(answer);
    });
  });
}

/** @param {number} id @param {Answer} answer */
function settle(id, answer) {
  const resolve = open.get(id);
  open.delete(id);
  resolve?.(answer);
}

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const made = new WebSocket(`${scheme}://${location.host}/live?client=${name}`);
  socket = made;
  made.onopen = () => {
    wait = 125;
    tellHalt({connected: true});
    tell('link', true);
  };
  made.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if ('answer' in message) settle(message.answer, message);
    else if ('state' in message) tell('state', message.state);
    else if ('pose' in message) tell('pose', message);
    else if ('told' in message) tell('told', message.told);
  };
  made.onclose = () => {
    if (socket !== made) return;
    socket = null;
    tellHalt({moves: null, connected: false});
    for (const id of [...open.keys()]) {
      settle(id, {ok: false, text: 'The connection was lost before the answer came.'});
    }
    tell('link', false);
    setTimeout(connect, wait);
    wait = Math.min(SLOWEST, wait * 2);
  };
}

/**
 * A duplicated tab brings the name of the first with it: whoever comes second takes another.
 * Without the browser's locks (they need a safe origin) the name is trusted.
 */
async function ownName() {
  if (!navigator.locks) return;
  const aborted = AbortSignal.timeout(400);
  await new Promise((resolve) => {
    navigator.locks
      .request(`smallbot-${name}`, {signal: aborted}, () => {
        resolve(null);
        return new Promise(() => {}); // held as long as the tab is there
      })
      .catch(() => {
        name += [...crypto.getRandomValues(new Uint8Array(3))]
          .map((byte) => byte.toString(16))
          .join('');
        resolve(null);
      });
  });
}

/** Connect, and stay so. */
export async function start() {
  haltBy(() => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({do: 'halt', id: 0}));
  });
  await ownName();
  connect();
  new Worker(new URL('beat.js', import.meta.url)).onmessage = () => {
    if (socket?.readyState === WebSocket.OPEN) socket.send('{"do": "beat"}');
  };
}
