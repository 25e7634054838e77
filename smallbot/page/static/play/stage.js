/** The arm in three dimensions: what needs three.js, loaded when the page is at rest. */
import * as THREE from '../vendor/three/three.module.min.js';
import {OrbitControls} from '../vendor/three/OrbitControls.js';
import {colour, oncePerFrame, whenLooksChange} from '../live/said.js';
import {frames} from './chain.js';

/** Most pixels for each CSS pixel: more costs the graphics and shows nothing. */
const SHARPEST = 1.5;

/** Does a processor draw in the place of a graphics card? Then as little is drawn as will do. */
function bySoftware() {
  const context = document.createElement('canvas').getContext('webgl2');
  if (!context) throw new Error('no WebGL');
  const names = context.getExtension('WEBGL_debug_renderer_info');
  const name = context.getParameter(names ? names.UNMASKED_RENDERER_WEBGL : context.RENDERER);
  context.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|softpipe|basic render/i.test(name);
}

export class Stage {
  /** @param {HTMLCanvasElement} canvas @throws where there is no WebGL */
  constructor(canvas) {
    this.canvas = canvas;
    const drawn = bySoftware();
    this.sharpest = drawn ? 1 : SHARPEST;
    this.renderer = new THREE.WebGLRenderer({
      canvas,
      antialias: !drawn,
      alpha: true,
      powerPreference: 'low-power',
    });
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(35, 1, 0.01, 100);
    this.camera.up.set(0, 0, 1);
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0x8a8f98, 1.9));
    const sun = new THREE.DirectionalLight(0xffffff, 2.1);
    sun.position.set(-1, -1.5, 3);
    this.scene.add(sun);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.enableDamping = false;
    canvas.style.touchAction = 'pan-y'; // a finger scrolls the page, sideways it turns the arm
    this.controls.enableZoom = false; // so does the wheel, until the picture is pressed
    canvas.addEventListener('pointerdown', () => {
      this.controls.enableZoom = true;
    });
    canvas.addEventListener('pointerleave', () => {
      this.controls.enableZoom = false;
    });
    this.render = oncePerFrame(
      () => this.renderer.render(this.scene, this.camera),
      drawn ? 100 : 0
    );
    this.controls.addEventListener('change', this.render);
    /** @type {any} */
    this.arm = null;
    /** @type {Map<string, any>} */
    this.links = new Map();
    this.body = new THREE.Group();
    this.scene.add(this.body);
    this.shown = this.path('--shown', false);
    this.reached = this.path('--reached', true);
    this.looks();
    whenLooksChange(canvas, () => this.looks());
  }

  /**
   * A path that grows; a dashed one is told from the other without its colour.
   * @param {string} name
   * @param {boolean} dashed
   */
  path(name, dashed) {
    const made = new THREE.Mesh(new THREE.BufferGeometry(), new THREE.MeshBasicMaterial());
    made.frustumCulled = false;
    made.userData = {name, dashed};
    this.scene.add(made);
    return made;
  }

  looks() {
    const {clientWidth: width, clientHeight: height} = this.canvas;
    if (!width || !height) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio || 1, this.sharpest));
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    for (const path of [this.shown, this.reached])
      path.material.color.setStyle(colour(path.userData.name));
    this.floor();
    this.render();
  }

  floor() {
    if (this.grid) this.scene.remove(this.grid);
    this.grid = new THREE.GridHelper(2, 20, colour('--axis'), colour('--grid'));
    this.grid.rotation.x = Math.PI / 2;
    this.scene.add(this.grid);
  }

  /** Put an arm on the stage. @param {any} arm */
  of(arm) {
    this.arm = arm;
    this.body.clear();
    this.links.clear();
    this.trace([], this.shown);
    this.trace([], this.reached);
    if (!arm) {
      this.render();
      return;
    }
    for (const link of arm.scene.links) {
      const group = new THREE.Group();
      group.matrixAutoUpdate = false;
      for (const shape of link.shapes) group.add(mesh(shape));
      this.links.set(link.name, group);
      this.body.add(group);
    }
    this.pose(arm.movable.map(() => 0));
    this.from('aslant');
  }

  /** @param {number[]} pose */
  pose(pose) {
    if (!this.arm) return;
    for (const [name, frame] of frames(this.arm, pose)) {
      const group = this.links.get(name);
      if (!group) continue;
      group.matrix.set(...frame);
      group.matrixWorldNeedsUpdate = true;
    }
    this.render();
  }

  /** Draw a path. @param {number[][]} tips m @param {any} path of this stage */
  trace(tips, path) {
    const {dashed} = path.userData;
    path.geometry.dispose();
    path.geometry = rod(thinned(tips, 200), (dashed ? 0.0045 : 0.003) * this.size(), dashed);
    this.render();
  }

  /** How large the arm with its plane is, m. */
  size() {
    if (!this.arm) return 1;
    const {u, v} = this.arm.plane;
    return Math.max(u[1] - u[0], v[1] - v[0], 0.2);
  }

  /** Come closer, or go away. @param {number} factor of the distance */
  closer(factor) {
    const {target} = this.controls;
    this.camera.position.sub(target).multiplyScalar(factor).add(target);
    this.controls.update();
    this.render();
  }

  /** Look from somewhere. @param {'behind'|'side'|'above'|'aslant'} where */
  from(where) {
    if (!this.arm) return;
    const {origin, e1, e2, u, v} = this.arm.plane;
    const right = new THREE.Vector3(...e1);
    const back = right.clone().cross(new THREE.Vector3(...e2));
    const up = new THREE.Vector3(0, 0, 1);
    const middle = new THREE.Vector3(...origin)
      .addScaledVector(right, (u[0] + u[1]) / 2)
      .addScaledVector(new THREE.Vector3(...e2), (v[0] + v[1]) / 2)
      .multiplyScalar(0.55);
    const ways = {
      behind: back.clone().addScaledVector(up, 0.12),
      side: right.clone().addScaledVector(up, 0.1),
      above: up.clone().addScaledVector(back, 0.05),
      aslant: back.clone().addScaledVector(right, 0.85).addScaledVector(up, 0.55),
    };
    const distance = (this.size() * 1.5) / Math.min(1, Math.max(0.6, this.camera.aspect));
    this.controls.target.copy(middle);
    this.camera.position.copy(middle).addScaledVector(ways[where].normalize(), distance);
    this.controls.update();
    this.render();
  }
}

/** @param {any} shape */
function mesh(shape) {
  const [red, green, blue, alpha] = shape.rgba || [0.6, 0.6, 0.6, 1];
  const material = new THREE.MeshStandardMaterial({
    color: new THREE.Color().setRGB(red, green, blue, THREE.SRGBColorSpace),
    roughness: 0.55,
    metalness: 0.05,
    transparent: alpha < 1,
    opacity: alpha,
  });
  const group = new THREE.Group();
  group.matrixAutoUpdate = false;
  group.matrix.set(...shape.matrix);
  const made = new THREE.Mesh(undefined, material);
  if (shape.kind === 'box') {
    made.geometry = new THREE.BoxGeometry(...shape.size);
  } else if (shape.kind === 'sphere') {
    made.geometry = new THREE.SphereGeometry(shape.radius, 24, 16);
  } else if (shape.kind === 'cylinder') {
    made.geometry = new THREE.CylinderGeometry(shape.radius, shape.radius, shape.length, 32);
    made.rotation.x = Math.PI / 2; // three's stand along y, a URDF's along z
  } else {
    // a bone, from the origin to `to`
    const to = new THREE.Vector3(...shape.to);
    const length = to.length();
    made.geometry = new THREE.CapsuleGeometry(shape.radius, Math.max(1e-4, length), 6, 16);
    made.position.copy(to).multiplyScalar(0.5);
    made.quaternion.setFromUnitVectors(
      new THREE.Vector3(0, 1, 0),
      length ? to.normalize() : new THREE.Vector3(0, 1, 0)
    );
  }
  group.add(made);
  return group;
}

/** @param {number[][]} tips @param {number} most */
function thinned(tips, most) {
  const every = Math.max(1, Math.ceil(tips.length / most));
  const made = tips.filter((_, index) => index % every === 0 || index === tips.length - 1);
  return made.filter(
    (tip, index) =>
      index === 0 || Math.hypot(...tip.map((value, axis) => value - made[index - 1][axis])) > 1e-5
  );
}

/**
 * A rod along a path, with gaps where it is dashed.
 * @param {number[][]} tips
 * @param {number} radius
 * @param {boolean} dashed
 */
function rod(tips, radius, dashed) {
  if (tips.length < 2) return new THREE.BufferGeometry();
  const sides = 6;
  const curve = new THREE.CatmullRomCurve3(
    tips.map((tip) => new THREE.Vector3(...tip)),
    false,
    'chordal'
  );
  const made = new THREE.TubeGeometry(curve, Math.min(360, 2 * tips.length), radius, sides, false);
  if (dashed && made.index) {
    const each = 6 * sides; // indices of one ring
    made.setIndex([...made.index.array].filter((_, index) => Math.floor(index / each) % 9 < 6));
  }
  return made;
}
