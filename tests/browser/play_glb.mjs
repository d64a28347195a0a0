/** node play_glb.mjs NODE_MODULES FILE.glb SECONDS: what the validator says, where three.js puts every
 * node and every finger's skin, and where it puts the joints of a figure with other names and lengths
 * onto which it retargets them. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, file, seconds] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(modules, path)));
const { validateBytes } = createRequire(join(modules, "..", "package.json"))("gltf-validator");
const { AnimationMixer, Vector3 } = await load("three/build/three.module.js");
const { GLTFLoader } = await load("three/examples/jsm/loaders/GLTFLoader.js");
const { retarget } = await load("three/examples/jsm/utils/SkeletonUtils.js");

const bytes = new Uint8Array(readFileSync(file));
const { issues } = await validateBytes(bytes);
const read = () => new GLTFLoader().parseAsync(bytes.buffer, "");
const { scene, animations } = await read();
const mixer = new AnimationMixer(scene);
mixer.clipAction(animations[0]).play();
mixer.setTime(Number(seconds));
scene.updateMatrixWorld(true);

const placed = (root) => {
  const places = {};
  root.traverse((node) => {
    places[node.name] = { place: node.getWorldPosition(new Vector3()).toArray(), size: node.scale.x };
  });
  return places;
};
const skinned = (root) => {
  const found = [];
  root.traverse((node) => node.isSkinnedMesh && found.push(node));
  return found;
};
const meshes = skinned(scene).map((mesh) => ({
  color: mesh.material.color.getHexString(),
  points: Array.from({ length: mesh.geometry.attributes.position.count }, (_, point) =>
    mesh.getVertexPosition(point, new Vector3()).applyMatrix4(mesh.matrixWorld).toArray()),
}));

let other = {};
if (meshes.length) {
  const { scene: target } = await read();
  target.traverse((node) => {
    if (!node.isBone) return;
    node.name = `mixamorig${node.name}`;
    if (/Arm|Hand/.test(node.name)) node.position.multiplyScalar(1.2);
  });
  const [onto] = skinned(target);
  target.updateMatrixWorld(true);
  onto.skeleton.calculateInverses(); // its own pose at rest
  retarget(onto, skinned(scene)[0], { hip: "Hips", getBoneName: (bone) => bone.name.replace("mixamorig", "") });
  target.updateMatrixWorld(true);
  other = placed(target);
}
console.log(JSON.stringify({ issues, duration: animations[0].duration, places: placed(scene), meshes, other }));
