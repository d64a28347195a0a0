/** A player of clips: plays, scrubs, slows down, loops, turns the signer, and shows hands close up. */
import { draw, handCameras, signerCamera } from "./figure.js";

const COLOURS = ["paper", "card", "torso", "head", "face", "limb"].concat(
  ...["left_hand", "right_hand"].map((hand) => ["palm", 0, 1, 2, 3, 4].map((part) => `${hand}_${part}`)),
);
const SPEEDS = [0.25, 0.5, 1];
const SIDE = 90; // degrees
const LONG = 24; // letters; of more only the word of the moment is shown

export class Player {
  /** Builds the player inside an empty element; `words` are the texts of one language. */
  constructor(root, words) {
    this.root = root;
    this.clip = null;
    this.moment = 0;
    this.playing = false;
    this.camera = { middle: [0, 0, 0], spans: [2, 2, 2], turn: 0, tilt: 0, zoom: 1 };
    this.build();
    this.translate(words);
    new ResizeObserver(() => this.show()).observe(this.stage);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
  }

  /** Shows a clip from its start; `autoplay` is not heeded where less motion is asked for. */
  load(clip, autoplay = true) {
    this.clip = clip;
    const { middle, spans } = signerCamera(clip);
    Object.assign(this.camera, { middle, spans });
    this.scrub.max = clip.positions.length - 1;
    this.root.dataset.frames = clip.positions.length;
    this.write(clip.cues ?? []);
    this.seek(0);
    if (autoplay && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
    else this.pause();
  }

  play() {
    if (!this.clip) return;
    if (this.moment >= this.last) this.moment = 0;
    this.playing = true;
    this.root.dataset.state = "playing";
    this.button.textContent = this.words.pause;
    this.before = null;
    cancelAnimationFrame(this.request);
    this.request = requestAnimationFrame((now) => this.tick(now));
  }

  pause() {
    this.playing = false;
    this.root.dataset.state = "paused";
    this.button.textContent = this.words.play;
    cancelAnimationFrame(this.request);
    this.show();
  }

  /** Writes the letters or glosses of a clip above the stage: one that long word by word. */
  write(cues) {
    this.cues = cues;
    this.lit = null;
    const words = [];
    for (const { word, label } of cues) {
      words[word] ??= document.createElement("span");
      const letter = document.createElement("span");
      letter.textContent = label;
      words[word].append(letter);
    }
    this.letters.replaceChildren(...words.filter(Boolean));
    this.letters.hidden = cues.length < 2 && !cues.some(({ spelled }) => spelled);
    this.letters.classList.toggle("long", cues.length > LONG);
    this.marks = [...this.letters.querySelectorAll("span > span")];
  }

  /** Lights the letter or gloss of the moment. */
  light() {
    const now = this.moment / this.clip.fps;
    const lit = this.cues.findIndex(({ start, end }) => start <= now && now < end);
    if (lit === this.lit || !this.marks.length) return;
    this.marks[this.lit]?.classList.remove("lit");
    this.marks[lit]?.classList.add("lit");
    this.lit = lit;
    const at = lit >= 0 ? lit : Math.max(this.cues.findLastIndex(({ start }) => start <= now), 0);
    for (const word of this.letters.children) word.classList.toggle("now", word === this.marks[at].parentElement);
  }

  /** Goes to a frame; fractions are moments between two frames. */
  seek(moment) {
    this.moment = Math.min(Math.max(moment, 0), this.last);
    this.show();
  }

  /** Turns the camera: degrees to the left, and down. */
  look(turn, tilt = 0) {
    this.turn.value = ((((turn + 180) % 360) + 360) % 360) - 180;
    this.camera.turn = (Number(this.turn.value) * Math.PI) / 180;
    this.camera.tilt = (Math.min(Math.max(tilt, -80), 80) * Math.PI) / 180;
    this.show();
  }

  /** Puts the texts of a language into the controls. */
  translate(words) {
    this.words = words;
    for (const part of this.root.querySelectorAll("[data-word]")) {
      part.textContent = words[part.dataset.word];
    }
    for (const part of this.root.querySelectorAll("[data-label]")) {
      part.setAttribute("aria-label", words[part.dataset.label]);
    }
    this.root.setAttribute("aria-label", words.player);
    this.button.textContent = this.playing ? words.pause : words.play;
    this.show();
  }

  get last() {
    return this.clip ? this.clip.positions.length - 1 : 0;
  }

  tick(now) {
    if (!this.playing) return;
    if (this.before !== null) {
      this.moment += ((now - this.before) / 1000) * this.clip.fps * Number(this.speed.value);
    }
    this.before = now;
    if (this.moment >= this.last) {
      if (this.loop.checked) this.moment %= Math.max(this.last, 1e-9);
      else {
        this.moment = this.last;
        this.pause();
      }
    }
    this.show();
    if (this.playing) this.request = requestAnimationFrame((next) => this.tick(next));
  }

  show() {
    if (!this.clip) return;
    const frame = Math.floor(this.moment);
    const seconds = (value) => (value / this.clip.fps).toFixed(1);
    const said = `${seconds(this.moment)} / ${seconds(this.last)} s`;
    this.scrub.value = frame;
    if (!this.playing) this.scrub.setAttribute("aria-valuetext", said); // or it would be read out all the time
    this.time.textContent = said;
    this.root.dataset.frame = frame;
    this.light();
    const style = getComputedStyle(this.root);
    const colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`)]));
    draw(...this.sheet(this.figure), this.clip, this.moment, this.camera, this.size, colours);
    this.showHands(colours);
  }

  showHands(colours) {
    const cameras = this.hands.checked ? handCameras(this.clip, this.moment) : [];
    this.closeups.forEach((canvas, index) => {
      const camera = cameras[index];
      canvas.hidden = !camera;
      if (camera) {
        draw(...this.sheet(canvas), this.clip, this.moment, camera, this.size, colours, camera.group);
      }
    });
  }

  /** Fits a canvas to the pixels of the screen: [context], and its size in `this.size`. */
  sheet(canvas) {
    const dense = Math.min(devicePixelRatio || 1, 3);
    this.size = [canvas.clientWidth, canvas.clientHeight].map((side) => Math.max(Math.round(side * dense), 1));
    if (canvas.width !== this.size[0]) canvas.width = this.size[0];
    if (canvas.height !== this.size[1]) canvas.height = this.size[1];
    return [canvas.getContext("2d")];
  }

  build() {
    const part = (tag, attributes = {}, children = []) => {
      const made = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
      made.append(...children);
      return made;
    };
    const labelled = (word, control) =>
      part("label", {}, control.type === "checkbox"
        ? [control, part("span", { "data-word": word })]
        : [part("span", { "data-word": word }), control]);
    const turned = (word, degrees) => {
      const button = part("button", { type: "button", "data-word": word, "data-turn": degrees });
      button.addEventListener("click", () => this.look(degrees));
      return button;
    };
    this.figure = part("canvas", { class: "figure", role: "img", "data-label": "figure" });
    this.closeups = [0, 1].map(() => part("canvas", { class: "hand", role: "img", "data-label": "closeup" }));
    this.stage = part("div", { class: "stage" }, [this.figure, part("div", { class: "hands" }, this.closeups)]);
    this.button = part("button", { type: "button", class: "play" });
    this.scrub = part("input", { type: "range", class: "scrub", min: 0, max: 1, value: 0, "data-label": "position" });
    this.time = part("span", { class: "time", "aria-hidden": "true" });
    this.speed = part("select", { class: "speed" }, SPEEDS.map((speed) => part("option", { value: speed }, [`${speed}×`])));
    this.speed.value = 1;
    this.loop = part("input", { type: "checkbox", class: "loop" });
    this.hands = part("input", { type: "checkbox", class: "closeups" });
    this.loop.checked = this.hands.checked = true;
    this.turn = part("input", { type: "range", class: "turn", min: -180, max: 180, value: 0 });
    this.zoom = part("input", { type: "range", class: "zoom", min: 0.5, max: 3, step: 0.1, value: 1 });
    this.root.classList.add("player");
    this.root.setAttribute("role", "group");
    this.letters = part("p", { class: "letters", "aria-hidden": "true", hidden: "" });
    this.cues = this.marks = [];
    this.root.replaceChildren(
      this.letters,
      this.stage,
      part("div", { class: "bar" }, [this.button, this.scrub, this.time]),
      part("div", { class: "bar" }, [
        labelled("speed", this.speed), labelled("loop", this.loop), labelled("hands", this.hands),
        labelled("turn", this.turn), turned("front", 0), turned("side", SIDE), labelled("zoom", this.zoom),
      ]),
    );
    this.listen();
  }

  listen() {
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.scrub.addEventListener("input", () => {
      const frame = Number(this.scrub.value); // before pausing shows where it stood
      this.pause();
      this.seek(frame);
    });
    this.turn.addEventListener("input", () => this.look(Number(this.turn.value)));
    this.zoom.addEventListener("input", () => {
      this.camera.zoom = Number(this.zoom.value);
      this.show();
    });
    this.hands.addEventListener("change", () => this.show());
    let held = null;
    this.figure.addEventListener("pointerdown", (event) => {
      this.figure.setPointerCapture(event.pointerId);
      held = [event.clientX, event.clientY, Number(this.turn.value), (this.camera.tilt * 180) / Math.PI];
    });
    this.figure.addEventListener("pointermove", (event) => {
      if (held) this.look(held[2] + (event.clientX - held[0]) / 2, held[3] + (event.clientY - held[1]) / 2);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.figure.addEventListener(end, () => { held = null; });
    }
  }
}
