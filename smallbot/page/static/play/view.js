// @ts-check
/** What is seen of the playback: live, or again and slower. The picture alone, never the arm. */
import {on} from '../live/link.js';
import {model, moves} from '../live/model.js';
import {byId, figure, oncePerFrame} from '../live/said.js';
import {tipOf} from './chain.js';
import {Recorded} from './recorded.js';
import {Side} from './side.js';

/** The path behind the tip is built anew so often, ms. */
const TRACE_EVERY = 90;

/** @type {any} the stage, or the side view where there is no WebGL; null until it is loaded */
let stage = null;
const recorded = new Recorded();
/** @type {'live'|'replay'} */
let mode = 'live';
let paused = false;
let clock = 0;
let before = 0;
let traced = 0;

/** Load the three dimensions once the page has nothing else to do. */
async function open() {
  const canvas = byId('stage');
  try {
    if (new URLSearchParams(location.search).has('flat')) throw new Error('asked for');
    const {Stage} = await import('./stage.js');
    stage = new Stage(canvas);
  } catch (fault) {
    console.warn('no WebGL:', fault);
    const fresh = canvas.cloneNode(); // the old one may be bound to what failed
    canvas.replaceWith(fresh);
    stage = new Side(fresh);
    byId('no-webgl').hidden = false;
    byId('views').hidden = true;
  }
  byId('stage-waits').hidden = true;
  stage.of(model.arm);
  showShown();
  showLive();
}

function showShown() {
  stage?.trace(model.shown?.tip || [], stage.shown);
}

/** @type {number[]|null} the newest pose */
let pose = null;

function showLive() {
  if (!stage || !model.arm) return;
  if (pose) stage.pose(pose);
  const tips = recorded.samples.length
    ? recorded.samples.map((sample) => sample.tip)
    : model.played?.tip || [];
  stage.trace(tips, stage.reached);
}

on('pose', (news) => {
  if (!model.arm || news.pose.length !== model.arm.movable.length) return;
  pose = news.pose;
  if (news.at !== null) recorded.keep(news.at, news.pose, tipOf(model.arm, news.pose));
  if (mode === 'live' && !paused && stage) {
    stage.pose(news.pose);
    if (news.at !== null && performance.now() - traced > TRACE_EVERY) {
      traced = performance.now();
      stage.trace(recorded.tips(news.at), stage.reached);
    }
  }
  controlsSoon();
});
on('arm', (arm) => {
  recorded.clear();
  pose = null;
  live();
  stage?.of(arm);
  controls();
});
on('shown', () => {
  recorded.clear();
  live();
  showShown();
  showLive();
  controls();
});
on('learned', (learned) => {
  if (!learned) {
    recorded.clear();
    showLive();
    controls();
  }
});
on('played', () => {
  if (mode === 'live' && !paused) showLive();
});
let moving = false;
on('state', () => {
  if (moves() && !moving) live();
  moving = moves();
  controls();
});

function live() {
  mode = 'live';
  paused = false;
  controls();
}

byId('pause').addEventListener('click', () => {
  paused = !paused;
  if (!paused && mode === 'live') showLive();
  before = performance.now();
  if (mode === 'replay' && !paused) requestAnimationFrame(step);
  controls();
});
byId('replay').addEventListener('click', () => {
  mode = 'replay';
  paused = false;
  clock = 0;
  before = performance.now();
  requestAnimationFrame(step);
  controls();
});
byId('live').addEventListener('click', () => {
  live();
  showLive();
});
byId('moment').addEventListener('input', () => {
  mode = 'replay';
  paused = true;
  clock = (Number(byId('moment').value) / 1000) * recorded.duration;
  showMoment();
  controls();
});
for (const where of ['aslant', 'behind', 'side', 'above']) {
  byId(`from-${where}`).addEventListener('click', () => stage?.from(where));
}

byId('closer').addEventListener('click', () => stage?.closer(0.8));
byId('further').addEventListener('click', () => stage?.closer(1.25));

/** @param {number} now ms */
function step(now) {
  if (mode !== 'replay' || paused) return;
  clock += (Math.max(0, now - before) / 1000) * Number(byId('speed').value);
  before = now;
  if (clock >= recorded.duration) {
    clock = recorded.duration;
    paused = true;
  } else {
    requestAnimationFrame(step);
  }
  showMoment();
  controlsSoon();
}

function showMoment() {
  const now = recorded.pose(clock);
  if (!now || !stage) return;
  stage.pose(now);
  if (paused || performance.now() - traced > TRACE_EVERY) {
    traced = performance.now();
    stage.trace(recorded.tips(clock), stage.reached);
  }
}

function controls() {
  const some = recorded.samples.length > 1;
  const at = mode === 'live' ? recorded.duration : clock;
  byId('replay').disabled = byId('moment').disabled = !some;
  byId('live').disabled = mode === 'live' && !paused;
  byId('pause').textContent = paused ? 'Go on' : 'Pause the view';
  byId('moment').value = some ? String(Math.round((1000 * at) / recorded.duration)) : '0';
  byId('moment').setAttribute('aria-valuetext', `${figure(at, 1)} seconds`);
  byId('moment-said').textContent = some
    ? `${figure(at, 1)} of ${figure(recorded.duration, 1)} s`
    : 'nothing played yet';
  byId('view-mode').textContent =
    `${mode === 'live' ? 'Live' : 'Replay'}${paused ? ', paused' : ''}`;
}
const controlsSoon = oncePerFrame(controls, 150);
controls();

/** Begin when the page is at rest. */
export function openWhenIdle() {
  const begin = () => {
    setTimeout(open, 0);
  };
  if ('requestIdleCallback' in window) requestIdleCallback(begin, {timeout: 1500});
  else setTimeout(begin, 400);
}
