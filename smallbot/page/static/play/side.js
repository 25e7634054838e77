// @ts-check
/** The arm in two dimensions, in its plane: what there is where the browser has no WebGL. */
import {colour, fitted, oncePerFrame, whenLooksChange} from '../live/said.js';
import {Plane} from '../show/plane.js';
import {frames} from './chain.js';

/** Same doors as `Stage`. */
export class Side {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {any} */
    this.arm = null;
    /** @type {number[][]} origins of the links from root to tip, m */
    this.bones = [];
    /** @type {{tips: number[][], name: string, dash: number[]}} */
    this.shown = {tips: [], name: '--shown', dash: []};
    /** @type {{tips: number[][], name: string, dash: number[]}} */
    this.reached = {tips: [], name: '--reached', dash: [9, 4]};
    this.render = oncePerFrame(() => this.draw());
    whenLooksChange(canvas, this.render);
  }

  /** @param {any} arm */
  of(arm) {
    this.arm = arm;
    this.shown.tips = this.reached.tips = this.bones = [];
    if (arm) this.pose(arm.movable.map(() => 0));
    this.render();
  }

  /** @param {number[]} pose */
  pose(pose) {
    if (!this.arm) return;
    const all = frames(this.arm, pose);
    const origins = [];
    for (let link = this.arm.scene.tip; link;) {
      const frame = all.get(link);
      if (!frame) break;
      origins.unshift([frame[3], frame[7], frame[11]]);
      link = this.arm.scene.joints.find(
        (/** @type {any} */ joint) => joint.child === link
      )?.parent;
    }
    this.bones = origins;
    this.render();
  }

  /** @param {number[][]} tips @param {{tips: number[][]}} path */
  trace(tips, path) {
    path.tips = tips;
    this.render();
  }

  from() {
    /* there is one view only */
  }

  draw() {
    const {context, width, height} = fitted(this.canvas);
    if (!this.arm) return;
    const {origin, e1, e2, u, v} = this.arm.plane;
    const plane = new Plane(
      {u: [u[0] - 0.1, u[1] + 0.1], v: [Math.min(0, v[0]) - 0.1, v[1] + 0.1]},
      width,
      height
    );
    const along = (/** @type {number[]} */ tip, /** @type {number[]} */ way) =>
      way.reduce((sum, value, axis) => sum + value * (tip[axis] - origin[axis]), 0);
    const line = (
      /** @type {number[][]} */ tips,
      /** @type {string} */ name,
      /** @type {number} */ thick,
      /** @type {number[]} */ dash
    ) => {
      context.beginPath();
      for (const tip of tips) context.lineTo(...plane.pixel([along(tip, e1), along(tip, e2)]));
      context.strokeStyle = colour(name);
      context.lineWidth = thick;
      context.setLineDash(dash);
      context.stroke();
    };
    context.lineJoin = context.lineCap = 'round';
    line(this.bones, '--quiet', 10, []);
    for (const path of [this.shown, this.reached]) line(path.tips, path.name, 3, path.dash);
  }
}
