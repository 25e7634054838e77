// @ts-check
/** Who drives: one page at a time. Whatever needs to drive asks here first. */
import {ask, clientName, on} from './link.js';
import {model} from './model.js';
import {byId, say} from './said.js';

/**
 * Ask a question in a dialog.
 * @param {string} id of the <dialog>
 * @param {string} text
 * @returns {Promise<boolean>}
 */
export function confirmed(id, text) {
  const dialog = byId(id);
  if (dialog.open) return Promise.resolve(false);
  dialog.querySelector('[data-text]').textContent = text;
  dialog.returnValue = '';
  for (const button of dialog.querySelectorAll('button'))
    button.onclick = () => dialog.close(button.value);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), {once: true});
  });
}

/** With a capital. @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** @param {{who: string, since: number}} asked */
function question(asked) {
  const since =
    asked.since >= 90
      ? `${Math.round(asked.since / 60)} minutes`
      : `${Math.round(asked.since || 0)} seconds`;
  return `${sentence(asked.who)} has been driving for ${since}. Take over? It will be told.`;
}

/**
 * Do something that needs to drive; where another page drives, ask and then do it again.
 * @param {() => Promise<import('./link.js').Answer>} attempt
 */
async function driving(attempt) {
  const answer = await attempt();
  if (answer.ok || !answer.asked) return answer;
  if (!(await confirmed('take-over', question(answer.asked)))) {
    return {...answer, text: `${sentence(answer.asked.who)} goes on driving. This page watches.`};
  }
  const taken = await ask('drive', {take: true});
  return taken.ok ? attempt() : taken;
}

/** @param {string} what @param {object} [fields] */
export const act = (what, fields = {}) => driving(() => ask(what, fields));

/** Send a file. @param {File} file */
export const upload = (file) =>
  driving(async () => {
    const query = new URLSearchParams({name: file.name, client: clientName()});
    try {
      const answer = await fetch(`/api/upload?${query}`, {
        method: 'POST',
        headers: {'X-Smallbot': 'page'},
        body: file,
      });
      const value = await answer.json();
      return {...value, ok: answer.ok && value.ok !== false};
    } catch {
      return {ok: false, text: `${file.name} could not be sent: no connection to smallbot.`};
    }
  });

on('state', (state) => {
  const others = Math.max(0, (state.pages || 1) - 1);
  const {driver} = state;
  const watch = (/** @type {number} */ pages) =>
    pages < 1 ? '' : pages === 1 ? ' Another page watches.' : ` ${pages} other pages watch.`;
  byId('driver-text').textContent = driver?.you
    ? `You drive, as ${state.you}.${watch(others)}`
    : driver
      ? `${sentence(driver.who)} drives; you watch, as ${state.you}.${watch(others - 1)}`
      : `Nobody drives; you are ${state.you}.${watch(others)}`;
  const button = byId('drive');
  button.textContent = driver?.you ? 'Stop driving' : 'Drive';
  button.disabled = !state.ready;
});

byId('drive').addEventListener('click', async () => {
  const answer = model.state?.driver?.you ? await ask('leave') : await act('drive', {take: false});
  say('live-bar', answer.ok ? '' : answer.text, true);
});
