// @ts-check
/** Lines that are said, in their card, calmly or as an alert; and how numbers and colours look. */

/**
 * Say a line in a card.
 * @param {string} card its id
 * @param {string} text
 * @param {boolean} [bad]
 */
export function say(card, text, bad = false) {
  const place = document.getElementById(card);
  const calm = place?.querySelector('.said[role=status]');
  const alert = place?.querySelector('.said[role=alert]');
  if (calm) calm.textContent = bad ? '' : text;
  if (alert) alert.textContent = bad ? text : '';
}

/** The element with this id. @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/** A number as text. @param {number|null|undefined} value @param {number} [digits] */
export function figure(value, digits = 2) {
  return value === null || value === undefined || Number.isNaN(value)
    ? '–'
    : value.toFixed(digits);
}

/** A number with thin spaces between thousands. @param {number|null|undefined} value */
export function count(value) {
  return value === null || value === undefined
    ? '–'
    : Math.round(value)
        .toString()
        .replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

/** Bytes of base64. @param {string} text */
export function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

const probe = document.createElement('i');
probe.hidden = true;
document.body.append(probe);

/** A colour of the style sheet as the theme has it now. @param {string} name e.g. `--reached` */
export function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

/**
 * Call `draw` once in the next picture, however often this was called; where a gap is given, not
 * more often than that: what is only watched shall leave the processor to the arm.
 * @param {() => void} draw @param {number} [gap] ms
 */
export function oncePerFrame(draw, gap = 0) {
  let asked = false;
  let last = -Infinity;
  const due = () =>
    requestAnimationFrame((now) => {
      asked = false;
      last = now;
      draw();
    });
  return () => {
    if (asked) return;
    asked = true;
    const wait = last + gap - performance.now();
    if (wait > 4) setTimeout(due, wait);
    else due();
  };
}

/**
 * Call `redraw` when the size of `element` or the theme changes.
 * @param {Element} element
 * @param {() => void} redraw
 */
export function whenLooksChange(element, redraw) {
  new ResizeObserver(redraw).observe(element);
  addEventListener('smallbot-theme', redraw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
}

/**
 * Fit a canvas to where it stands, in device pixels.
 * @param {HTMLCanvasElement} canvas
 * @returns {{context: CanvasRenderingContext2D, width: number, height: number, ratio: number}}
 */
export function fitted(canvas) {
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return {context, width, height, ratio};
}
