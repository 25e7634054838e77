// @ts-check
/**
 * A pen on a canvas: mouse, pen, finger, or the keys alone.
 *
 * Arrow keys move the pen (with Shift five times as far), Enter or P puts it down and up, Escape
 * gives the line up. A second finger and a palm beside it are ignored, and so is pressure.
 */

/**
 * @typedef {object} Paper where the pen writes
 * @property {(x: number, y: number) => [number, number]} toPaper CSS pixels -> the paper's units
 * @property {() => number} step how far an arrow key goes, in the paper's units
 * @property {[number, number]} upward the paper's directions of right and up, each 1 or -1
 * @property {(at: [number, number]) => [number, number]} kept the nearest place on the paper
 * @property {() => [number, number]} rest where the pen lies at first
 * @property {() => boolean} ready can it be written on?
 * @property {(at: [number, number], seconds: number, byKeys: boolean) => void} down
 * @property {(at: [number, number], seconds: number) => void} move
 * @property {(finished: boolean) => void} up
 * @property {(at: [number, number]|null, isDown: boolean) => void} hover null: away
 * @property {number} speed of the pen of the keys, paper's units per second
 */

/** The keys' pen says where it is once it has rested so long, ms. */
const REST = 350;

/** Let a canvas be written on. @param {HTMLCanvasElement} canvas @param {Paper} paper */
export function pen(canvas, paper) {
  byPointer(canvas, paper);
  byKeys(canvas, paper);
}

/** @param {HTMLCanvasElement} canvas @param {Paper} paper */
function byPointer(canvas, paper) {
  /** @type {number|null} */
  let writing = null;
  let began = 0;

  /** @param {PointerEvent} event */
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return paper.toPaper(event.clientX - box.left, event.clientY - box.top);
  };
  canvas.addEventListener('pointerdown', (event) => {
    if (writing !== null || event.button !== 0 || !event.isPrimary || !paper.ready()) return;
    event.preventDefault();
    canvas.focus({preventScroll: true});
    writing = event.pointerId;
    began = event.timeStamp;
    try {
      canvas.setPointerCapture(writing);
    } catch {
      /* it ends where it leaves then */
    }
    paper.hover(null, false);
    paper.down(place(event), 0, false);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (event.pointerId !== writing) return;
    const all = event.getCoalescedEvents?.() || [];
    for (const one of all.length ? all : [event]) {
      paper.move(place(one), Math.max(0, one.timeStamp - began) / 1000);
    }
  });
  for (const [kind, finished] of /** @type {[string, boolean][]} */ ([
    ['pointerup', true],
    ['pointercancel', false],
    ['lostpointercapture', true],
  ])) {
    canvas.addEventListener(kind, (event) => {
      if (/** @type {PointerEvent} */ (event).pointerId !== writing) return;
      writing = null;
      paper.up(finished);
    });
  }
}

/** @param {HTMLCanvasElement} canvas @param {Paper} paper */
function byKeys(canvas, paper) {
  /** @type {[number, number]|null} */
  let at = null;
  let isDown = false;
  let seconds = 0;
  const [right, up] = paper.upward;
  /** @type {Record<string, [number, number]>} */
  const ways = {
    ArrowRight: [right, 0],
    ArrowLeft: [-right, 0],
    ArrowUp: [0, up],
    ArrowDown: [0, -up],
  };

  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !paper.ready()) return;
    const way = ways[event.key];
    if (way) {
      event.preventDefault();
      const step = paper.step() * (event.shiftKey ? 5 : 1);
      const from = at || paper.rest();
      at = paper.kept([from[0] + way[0] * step, from[1] + way[1] * step]);
      if (isDown) {
        seconds += Math.hypot(at[0] - from[0], at[1] - from[1]) / paper.speed;
        paper.move(at, seconds);
      }
    } else if (event.key === 'Enter' || event.key.toLowerCase() === 'p') {
      event.preventDefault();
      if (event.repeat) return;
      at = at || paper.rest();
      isDown = !isDown;
      seconds = 0;
      if (isDown) paper.down(at, 0, true);
      else paper.up(true);
    } else if (event.key === 'Escape' && isDown) {
      isDown = false;
      paper.up(false);
    } else {
      return;
    }
    paper.hover(at, isDown);
  });
  canvas.addEventListener(
    'pointerdown',
    () => {
      if (isDown) paper.up(false);
      at = null;
      isDown = false;
    },
    {capture: true}
  );
}

/** Say something once the pen has rested. @param {(text: string) => void} speak */
export function whenRested(speak) {
  let timer = 0;
  return (/** @type {string} */ text) => {
    clearTimeout(timer);
    timer = setTimeout(() => speak(text), REST);
  };
}
