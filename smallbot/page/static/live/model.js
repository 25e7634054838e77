// @ts-check
/**
 * What the page knows: the state as the server last told it, and what is fetched when it changes.
 *
 * Events, through `on` of the link: `arm`, `shown`, `learned`, `played`, each with the fetched
 * value or null where there is none.
 */
import {on, tell} from './link.js';

/** @type {{state: any, arm: any, shown: any, learned: any, played: any}} */
export const model = {state: null, arm: null, shown: null, learned: null, played: null};

/** Time until what could not be fetched is tried again, ms. */
const AGAIN = 200;

/** What each was last fetched for. @type {Record<string, string|null>} */
const had = {arm: null, shown: null, learned: null, played: null};

/** Does anything move, or will it in a moment? */
export const moves = () => ['easing', 'playing'].includes(model.state?.phase);

on('state', (state) => {
  model.state = state;
  keep('arm', state.arm?.key ?? null);
  for (const part of ['shown', 'learned', 'played']) {
    const digest = state[part] ? JSON.stringify([state.arm?.key, state[part]]) : null;
    keep(part, digest);
  }
});

/**
 * Fetch one part where it is another than the one at hand.
 * @param {string} part
 * @param {string|null} key
 */
async function keep(part, key) {
  if (had[part] === key) return;
  had[part] = key;
  if (key === null) {
    set(part, null);
    return;
  }
  try {
    const answer = await fetch(`/api/${part}`, {cache: 'no-store'});
    const value = answer.ok ? await answer.json() : null;
    if (had[part] !== key) return;
    if (value && isOf(part, value)) set(part, value);
    else again(part, key);
  } catch {
    again(part, key);
  }
}

/**
 * Is it what the state speaks of, or still the one before?
 * @param {string} part
 * @param {any} value
 */
function isOf(part, value) {
  const told = model.state[part];
  const same =
    part === 'arm' ? ['key'] : part === 'played' ? ['digest', 'arm_tip_rmse_cm'] : ['digest'];
  return Boolean(told) && same.every((name) => !(name in value) || value[name] === told[name]);
}

/**
 * Try once more in a moment, where it is still wanted.
 * @param {string} part
 * @param {string} key
 */
function again(part, key) {
  setTimeout(() => {
    if (had[part] !== key) return;
    had[part] = null;
    keep(part, key);
  }, AGAIN);
}

/** @param {string} part @param {any} value */
function set(part, value) {
  /** @type {Record<string, any>} */ (model)[part] = value;
  tell(part, value);
}
