// @ts-check
/**
 * The arm's kinematics in the browser: where every link is, from the positions of the joints.
 *
 * Matrices are 4 x 4, row-major, 16 numbers, as they come from the server.
 */

/** @typedef {number[]} Matrix */

/** @param {Matrix} a @param {Matrix} b @returns {Matrix} */
export function times(a, b) {
  const made = new Array(16);
  for (let row = 0; row < 4; row += 1) {
    for (let column = 0; column < 4; column += 1) {
      let sum = 0;
      for (let inner = 0; inner < 4; inner += 1) sum += a[4 * row + inner] * b[4 * inner + column];
      made[4 * row + column] = sum;
    }
  }
  return made;
}

/**
 * Turn about an axis of length one.
 * @param {number[]} axis
 * @param {number} angle rad
 * @returns {Matrix}
 */
export function turned([x, y, z], angle) {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  const t = 1 - c;
  return [
    t * x * x + c,
    t * x * y - s * z,
    t * x * z + s * y,
    0,
    t * x * y + s * z,
    t * y * y + c,
    t * y * z - s * x,
    0,
    t * x * z - s * y,
    t * y * z + s * x,
    t * z * z + c,
    0,
    0,
    0,
    0,
    1,
  ];
}

/** @param {any} joint @param {number} position rad or m @returns {Matrix} */
function moved(joint, position) {
  if (joint.kind === 'prismatic') {
    const [x, y, z] = joint.axis.map((/** @type {number} */ part) => part * position);
    return times(joint.matrix, [1, 0, 0, x, 0, 1, 0, y, 0, 0, 1, z, 0, 0, 0, 1]);
  }
  if (joint.kind === 'fixed' || !position) return joint.matrix;
  return times(joint.matrix, turned(joint.axis, position));
}

/** @type {WeakMap<any, any[]>} */
const sorted = new WeakMap();

/**
 * The joints of a scene, each after the one that its parent hangs on.
 * @param {any} scene
 * @returns {any[]}
 */
function inOrder(scene) {
  const known = sorted.get(scene);
  if (known) return known;
  const made = [];
  const there = new Set([scene.root]);
  let left = scene.joints;
  while (left.length) {
    const next = left.filter((/** @type {any} */ joint) => there.has(joint.parent));
    if (!next.length) break;
    for (const joint of next) there.add(joint.child);
    made.push(...next);
    left = left.filter((/** @type {any} */ joint) => !next.includes(joint));
  }
  sorted.set(scene, made);
  return made;
}

/**
 * Where every link is, in the root link.
 * @param {any} arm as /api/arm says it @param {number[]} pose in the order of `movable`
 * @returns {Map<string, Matrix>}
 */
export function frames(arm, pose) {
  const at = new Map(
    arm.movable.map((/** @type {string} */ name, /** @type {number} */ index) => [
      name,
      pose[index],
    ])
  );
  const made = new Map([[arm.scene.root, [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]]]);
  for (const joint of inOrder(arm.scene)) {
    made.set(
      joint.child,
      times(/** @type {Matrix} */ (made.get(joint.parent)), moved(joint, at.get(joint.name) || 0))
    );
  }
  return made;
}

/** Where the tool tip is, m. @param {any} arm @param {number[]} pose @returns {number[]} */
export function tipOf(arm, pose) {
  const frame = frames(arm, pose).get(arm.scene.tip) || [];
  return [frame[3], frame[7], frame[11]];
}
