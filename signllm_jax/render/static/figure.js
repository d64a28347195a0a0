/**
 * Drawing of a skeleton on a canvas: a camera that turns around the signer, and one moment of a clip.
 *
 * A clip is what `render/page.py` writes: positions [T][J][3] in shoulder widths (x right, y down,
 * z away), confidence [T][J] (0 = not shown), joints, bones, groups and fps.
 */

const DISTANCE = 7; // of the eye from the signer, in shoulder widths
const HAND_SPAN = 0.85; // shoulder widths that a close-up of a hand shows

/** The middle and the half size of the space that head, hands and elbows take in a clip. */
export function signingSpace(clip) {
  const low = [-0.6, -0.6, -0.4], high = [0.6, 0.7, 0.4];
  const nose = 0, crown = 0.5; // the head's top above the nose
  const elbows = ["left_elbow", "right_elbow"].map((name) => clip.joints.indexOf(name)).filter((joint) => joint >= 0);
  const shown = [...clip.groups.left_hand, ...clip.groups.right_hand, ...elbows, nose, 1];
  clip.positions.forEach((frame, time) => {
    for (const joint of shown) {
      if (!clip.confidence[time][joint]) continue;
      for (let axis = 0; axis < 3; axis++) {
        const margin = joint === nose && axis === 1 ? crown : 0.12;
        low[axis] = Math.min(low[axis], frame[joint][axis] - margin);
        high[axis] = Math.max(high[axis], frame[joint][axis] + 0.12);
      }
    }
  });
  const middle = low.map((value, axis) => (value + high[axis]) / 2);
  const half = Math.max(...[0, 1].map((axis) => (high[axis] - low[axis]) / 2));
  return { middle, half };
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

/** Projects a place to [x, y, depth, scale] in pixels of a picture of size [width, height]. */
export function project(place, camera, size) {
  const [x, y, z] = place.map((value, axis) => value - camera.middle[axis]);
  const across = x * Math.cos(camera.turn) + z * Math.sin(camera.turn);
  const away = z * Math.cos(camera.turn) - x * Math.sin(camera.turn);
  const down = y * Math.cos(camera.tilt) - away * Math.sin(camera.tilt);
  const depth = away * Math.cos(camera.tilt) + y * Math.sin(camera.tilt);
  const near = DISTANCE / Math.max(DISTANCE + depth, 1);
  const scale = (near * Math.min(...size) * camera.zoom) / (2 * camera.half);
  return [size[0] / 2 + across * scale, size[1] / 2 + down * scale, depth, scale];
}

/**
 * Draws one moment.
 *
 * context: of a canvas; size: its width and height in pixels; colours: CSS colours by name; only:
 * the groups to draw, or undefined for the whole signer.
 */
export function draw(context, clip, moment, camera, size, colours, only) {
  const { places, shown } = poseAt(clip, moment);
  const points = places.map((place) => project(place, camera, size));
  const strokes = [];
  if (!only) strokes.push(...torso(places, shown, camera, size, colours));
  for (const [a, b] of clip.bones) {
    const group = groupOf(clip, b);
    if (b === 0) continue; // the neck is drawn behind the head
    if (shown[a] && shown[b] && (!only || only.includes(group))) {
      strokes.push(bone(clip, a, b, group, points, colours));
    }
  }
  context.clearRect(0, 0, ...size);
  context.lineCap = context.lineJoin = "round";
  strokes.sort((one, other) => other.depth - one.depth).forEach((stroke) => stroke.paint(context));
}

/** The cameras of close-ups from the signer's left, one for each hand that is mostly shown. */
export function handCameras(clip, moment) {
  return ["right_hand", "left_hand"].filter((group) => isUsed(clip, group)).map((group) => {
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
    return { group, middle: centre, half: HAND_SPAN / 2, turn: Math.PI / 2, tilt: 0, zoom: 1 };
  });
}

function isUsed(clip, group) {
  const wrist = clip.groups[group][0];
  const times = clip.confidence.filter((frame) => frame[wrist] > 0).length;
  return times > 0.1 * clip.confidence.length;
}

function groupOf(clip, joint) {
  return Object.keys(clip.groups).find((group) => clip.groups[group].includes(joint));
}

function bone(clip, a, b, group, points, colours) {
  let colour = colours.limb, wide = 0.075, halo = false;
  if (group === "face") [colour, wide] = [colours.face, 0.015];
  if (group.endsWith("_hand")) {
    const finger = Math.floor((clip.groups[group].indexOf(b) - 1) / 4);
    halo = finger >= 0;
    colour = finger < 0 ? colours.limb : colours[`${group}_${finger}`];
    wide = finger < 0 ? 0.075 : 0.036;
  }
  const [from, to] = [points[a], points[b]];
  const width = wide * (from[3] + to[3]) / 2;
  const paint = (context) => {
    for (const [extra, style] of halo ? [[0.018 * from[3], colours.card], [0, colour]] : [[0, colour]]) {
      context.strokeStyle = style;
      context.lineWidth = Math.max(width + extra, 1);
      context.beginPath();
      context.moveTo(from[0], from[1]);
      context.lineTo(to[0], to[1]);
      context.stroke();
    }
  };
  return { depth: (from[2] + to[2]) / 2 - (halo ? 0.05 : 0), paint };
}

function torso(places, shown, camera, size, colours) {
  const [nose, neck, right, left] = [0, 1, 2, 5];
  const strokes = [];
  const at = (x, y, z) => project([x, y, z], camera, size);
  if (shown[right] && shown[left]) {
    const [a, b] = [places[right], places[left]];
    const tuck = 0.16 * (b[0] - a[0]);
    const corners = [a, b, [b[0] - tuck, b[1] + 1.7, b[2]], [a[0] + tuck, a[1] + 1.7, a[2]]]
      .map(([x, y, z]) => at(x, y + 0.1, z + 0.1));
    strokes.push({
      depth: Math.max(...corners.map((corner) => corner[2])) + 0.3,
      paint: (context) => {
        context.fillStyle = context.strokeStyle = colours.torso;
        context.lineWidth = 0.26 * corners[0][3];
        context.beginPath();
        corners.forEach(([x, y]) => context.lineTo(x, y));
        context.closePath();
        context.fill();
        context.stroke();
      },
    });
  }
  if (shown[nose] && shown[neck]) {
    const [x, y, z] = places[nose];
    const head = at(x, y - 0.06, z + 0.2), tip = at(x, y, z - 0.06);
    const throat = at(...places[neck]);
    strokes.push({
      depth: Math.max(head[2], throat[2]) + 0.2,
      paint: (context) => {
        context.strokeStyle = colours.limb;
        context.lineWidth = 0.075 * throat[3];
        context.beginPath();
        context.moveTo(throat[0], throat[1]);
        context.lineTo(head[0], head[1]);
        context.stroke();
      },
    });
    strokes.push({ depth: head[2] + 0.1, paint: (context) => disc(context, head, 0.31, colours.head) });
    strokes.push({ depth: tip[2], paint: (context) => disc(context, tip, 0.035, colours.face) });
  }
  return strokes;
}

function disc(context, [x, y, , scale], radius, colour) {
  context.fillStyle = colour;
  context.beginPath();
  context.ellipse(x, y, radius * scale, 1.18 * radius * scale, 0, 0, 2 * Math.PI);
  context.fill();
}
