/**
 * Drawing of a skeleton on a canvas: a camera that turns around the signer, and one moment of a clip.
 *
 * A clip is what `render/page.py` writes: positions [T][J][3] in shoulder widths (x right, y down,
 * z away), confidence [T][J] (0 = not shown), joints, groups, fps, and the two corners of the space
 * that it takes. `render/figure.py` draws the same figure into files.
 */

const HANDS = ["right_hand", "left_hand"];
const HAND_SPAN = 0.85; // shoulder widths that a close-up of a hand shows

/** A camera that shows the whole signer from the front, as the files' pictures do. */
export function signerCamera({ space: { low, high } }) {
  const middle = low.map((value, axis) => (value + high[axis]) / 2);
  return { middle, spans: low.map((value, axis) => high[axis] - value), turn: 0, tilt: 0, zoom: 1 };
}

/** The joints at a moment between two frames: places [J][3] and whether each is shown [J]. */
export function poseAt(clip, moment) {
  const last = clip.positions.length - 1;
  const time = Math.min(Math.max(Math.floor(moment), 0), last), next = Math.min(time + 1, last);
  const part = Math.min(Math.max(moment - time, 0), 1);
  const shown = clip.confidence[time].map((value) => value > 0);
  const places = clip.positions[time].map((from, joint) => {
    if (!part || !shown[joint] || !clip.confidence[next][joint]) return from;
    const to = clip.positions[next][joint];
    return from.map((value, axis) => value + part * (to[axis] - value));
  });
  return { places, shown };
}

/** Pixels of a shoulder width in a picture of size [width, height]. */
function unitOf({ spans: [across, down, away], turn, zoom }, size) {
  const wide = Math.abs(across * Math.cos(turn)) + Math.abs(away * Math.sin(turn));
  return zoom * Math.min(size[0] / wide, size[1] / down);
}

/** Projects a place to [x, y] in pixels of a picture of size [width, height], and its depth. */
export function project(place, camera, size) {
  const [x, y, z] = place.map((value, axis) => value - camera.middle[axis]);
  const across = x * Math.cos(camera.turn) + z * Math.sin(camera.turn);
  const away = z * Math.cos(camera.turn) - x * Math.sin(camera.turn);
  const down = y * Math.cos(camera.tilt) - away * Math.sin(camera.tilt);
  const depth = away * Math.cos(camera.tilt) + y * Math.sin(camera.tilt);
  const unit = unitOf(camera, size);
  return [size[0] / 2 + across * unit, size[1] / 2 + down * unit, depth];
}

/**
 * Draws one moment.
 *
 * context: of a canvas; size: its width and height in pixels; colours: CSS colours by name; only:
 * the hand that is drawn alone, or undefined for the whole signer.
 */
export function draw(context, clip, moment, camera, size, colours, only) {
  const { places, shown } = poseAt(clip, moment);
  const points = places.map((place) => project(place, camera, size));
  const pen = new Pen(context, points, shown, unitOf(camera, size));
  const away = (joints) => -rounded(mean(joints.map((joint) => points[joint][2])));
  const hands = [...HANDS].reverse().filter((hand) => !only || hand === only)
    .map((hand) => ({ hand, joints: clip.groups[hand], near: away(clip.groups[hand]) }))
    .sort((one, other) => one.near - other.near);
  const parts = [
    ...(only ? [] : [
      () => drawTorso(pen, clip, colours, Math.cos(camera.tilt)), () => drawHead(pen, clip, colours),
      () => drawArms(pen, clip, colours),
    ]),
    ...hands.map(({ hand, joints }) => () => drawHand(pen, joints, away, hand, colours)),
  ];
  context.clearRect(0, 0, ...size);
  const behind = Math.cos(camera.turn) < -1e-9; // the body hides the hands
  for (const part of behind ? parts.reverse() : parts) part();
}

/** Strokes between joints that are shown, in widths of shoulder widths. */
class Pen {
  constructor(context, points, shown, unit) {
    Object.assign(this, { context, points, shown, unit });
  }

  dot([x, y], radius, colour, tall = radius) {
    this.context.fillStyle = colour;
    this.context.beginPath();
    this.context.ellipse(x, y, radius * this.unit, tall * this.unit, 0, 0, 2 * Math.PI);
    this.context.fill();
  }

  line(points, width, colour, cap = "butt") {
    Object.assign(this.context, {
      strokeStyle: colour, lineWidth: Math.max(width * this.unit, 1), lineCap: cap, lineJoin: "round",
    });
    this.context.beginPath();
    points.forEach(([x, y]) => this.context.lineTo(x, y));
    this.context.stroke();
  }

  /** A limb or finger through joints, broken where one is missing. */
  chain(joints, width, colour, halo) {
    for (const [extra, style] of halo ? [[0.018, halo], [0, colour]] : [[0, colour]]) {
      joints.slice(1).forEach((joint, index) => {
        const pair = [joints[index], joint];
        if (pair.every((end) => this.shown[end])) this.line(pair.map((end) => this.points[end]), width + extra, style, "round");
      });
    }
  }

  area(joints, colour, round) {
    if (!joints.every((joint) => this.shown[joint])) return;
    const corners = joints.map((joint) => this.points[joint]);
    this.line([...corners, ...corners.slice(0, 2)], round, colour);
    this.context.fillStyle = colour;
    this.context.fill();
  }
}

function drawTorso(pen, clip, colours, upright) {
  const [right, left] = ["right_shoulder", "left_shoulder"].map((name) => clip.joints.indexOf(name));
  if (!pen.shown[right] || !pen.shown[left]) return;
  const [a, b] = [pen.points[right], pen.points[left]];
  const wide = 0.12 * pen.unit * Math.sign(b[0] - a[0]), tuck = 0.14 * (b[0] - a[0]);
  const corners = (shoulder, side) => [
    [shoulder[0] - side * wide, 0], [shoulder[0] + side * tuck, 1.6], [shoulder[0] + side * tuck, 3.5],
  ].map(([x, down]) => [x, shoulder[1] + down * pen.unit * upright]);
  pen.context.fillStyle = colours.torso;
  pen.context.beginPath();
  for (const [x, y] of [...corners(a, 1).reverse(), ...corners(b, -1)]) pen.context.lineTo(x, y);
  pen.context.fill();
  pen.line([a, b], 0.24, colours.torso);
  for (const shoulder of [a, b]) pen.dot(shoulder, 0.12, colours.torso);
}

function drawHead(pen, clip, colours) {
  const [nose, neck] = ["nose", "neck"].map((name) => clip.joints.indexOf(name));
  if (pen.shown[nose]) {
    if (pen.shown[neck]) pen.line([pen.points[neck], pen.points[nose]], 0.2, colours.head);
    const [x, y] = pen.points[nose];
    pen.dot([x, y - 0.04 * pen.unit], 0.24, colours.head, 0.33);
    pen.dot([x, y], 0.022, colours.face);
  }
  for (const joint of clip.groups.face ?? []) if (pen.shown[joint]) pen.dot(pen.points[joint], 0.012, colours.face);
}

function drawArms(pen, clip, colours) {
  for (const side of ["left", "right"]) {
    const arm = ["shoulder", "elbow", "wrist", "hand_wrist"].map((part) => clip.joints.indexOf(`${side}_${part}`));
    pen.chain(arm, 0.085, colours.limb, colours.card);
  }
}

function drawHand(pen, joints, away, hand, colours) {
  const wrist = joints[0];
  const chains = [0, 1, 2, 3, 4].map((finger) => joints.slice(1 + 4 * finger, 5 + 4 * finger));
  pen.area([wrist, ...chains.map((chain) => chain[0])], colours[`${hand}_palm`], 0.05);
  const fingers = [4, 3, 2, 1, 0]; // without a difference in depth the thumb is nearest
  fingers.sort((one, other) => away(chains[one]) - away(chains[other]));
  for (const finger of fingers) pen.chain([wrist, chains[finger][0]], 0.02, colours[`${hand}_${finger}`]);
  for (const finger of fingers) {
    pen.chain(chains[finger], 0.05, colours[`${hand}_${finger}`], colours.paper);
    if (0.05 * pen.unit <= 8) continue; // in a smaller picture dots would hide the fingers
    for (const joint of chains[finger]) if (pen.shown[joint]) pen.dot(pen.points[joint], 0.009, colours.paper);
  }
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const rounded = (value) => Math.round(100 * value) / 100;

/** The cameras of close-ups from the signer's left, one for each hand that is mostly shown. */
export function handCameras(clip, moment) {
  return HANDS.filter((group) => isUsed(clip, group)).map((group) => {
    const joints = clip.groups[group];
    const middle = [0, 0, 0];
    let count = 0;
    for (let time = Math.floor(moment) - 6; time <= moment + 6; time++) {
      const at = Math.min(Math.max(time, 0), clip.positions.length - 1);
      for (const joint of joints) {
        if (!clip.confidence[at][joint]) continue;
        count += 1;
        clip.positions[at][joint].forEach((value, axis) => { middle[axis] += value; });
      }
    }
    const centre = middle.map((value) => value / Math.max(count, 1));
    return { group, middle: centre, spans: Array(3).fill(HAND_SPAN), turn: Math.PI / 2, tilt: 0, zoom: 1 };
  });
}

function isUsed(clip, group) {
  const wrist = clip.groups[group][0];
  const times = clip.confidence.filter((frame) => frame[wrist] > 0).length;
  return times > 0.1 * clip.confidence.length;
}
