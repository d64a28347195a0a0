/** node play_glb.mjs NODE_MODULES FILE.glb SECONDS: what the validator says, and where three.js puts every node. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, file, seconds] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(modules, path)));
const { validateBytes } = createRequire(join(modules, "..", "package.json"))("gltf-validator");
const { AnimationMixer, Vector3 } = await load("three/build/three.module.js");
const { GLTFLoader } = await load("three/examples/jsm/loaders/GLTFLoader.js");

const bytes = new Uint8Array(readFileSync(file));
const { issues } = await validateBytes(bytes);
const { scene, animations } = await new GLTFLoader().parseAsync(bytes.buffer, "");
const mixer = new AnimationMixer(scene);
mixer.clipAction(animations[0]).play();
mixer.setTime(Number(seconds));
scene.updateMatrixWorld(true);
const places = {};
scene.traverse((node) => {
  places[node.name] = { place: node.getWorldPosition(new Vector3()).toArray(), size: node.scale.x };
});
console.log(JSON.stringify({ issues, duration: animations[0].duration, places }));
